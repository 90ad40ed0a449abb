"""What operations read: pages, keys, a created key with its token, and refusals."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

from attrs import fields, frozen

from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import AccessKey, AccessKeyPage, CreatedAccessKey, Token
from accesskeys_async.wire import fast, strict
from accesskeys_async.wire.fields import JSON, format_uuid, parse_uuid, wire_name


def read_page(body: bytes, *, organization_id: UUID) -> AccessKeyPage:
    """Read a page of keys of that organization (`AccessKeyPage` in the contract).

    Raises APIResponseError with the place of what is out of contract.
    """
    page = fast.decode_page(body, organization_id)
    if page is not None:
        return page
    page = strict.read(body, AccessKeyPage)
    for index, key in enumerate(page.results):
        _check_id(key.organization_id, organization_id, f"$.results[{index}].organizationId")
    return page


_NEXT_PAGE: Final = re.compile(rb'"nextPageToken"\s*:\s*"([^"\\]+)"')


def glance_at_page_token(body: bytes) -> str | None:
    """Guess the next page's token without reading the page, or return None.

    It costs next to nothing where the token comes last, as it mostly does. `read_page` has the word on it.
    """
    place = body.rfind(b'"nextPageToken"')
    found = _NEXT_PAGE.match(body, place) if place >= 0 else None
    return found[1].decode(errors="replace") if found else None


def read_key(body: bytes, *, organization_id: UUID, key_id: UUID, text: str | None = None) -> AccessKey:
    """Read one key, the one that was asked for (`AccessKey` in the contract).

    `text` is the id as the API writes it, where it is at hand. Raises APIResponseError with the place of
    what is out of contract.
    """
    key = fast.decode_key(body, organization_id, key_id, text or format_uuid(key_id))
    if key is None:
        key = strict.read(body, AccessKey)
        _check_id(key.organization_id, organization_id, "$.organizationId")
        _check_id(key.id, key_id, "$.id")
    return key


def _check_id(found: UUID, asked: UUID, place: str) -> None:
    if found.int != asked.int:
        raise APIResponseError(place, f"expected {asked}, which was asked for, found another")


MAX_SHOWN_NAME: Final = 30
_RECORD_NAMES: Final = frozenset(wire_name(field.name) for field in fields(AccessKey))


def read_created(body: bytes, *, organization_id: UUID) -> CreatedAccessKey:
    """Read the answer to a create: a key, and the one time that its token is shown.

    The contract does not name the token's field. It is the one string outside the record that is longer
    than `suffix` and ends with it. Raises APIResponseError where none or several fit; its `key_id` is that
    of the key that was made, where the answer says.
    """
    value = strict.parse(body)
    try:
        key = strict.structure(value, AccessKey)
        _check_id(key.organization_id, organization_id, "$.organizationId")
        token = _find_token(value, key.suffix)
    except APIResponseError as error:
        failure = error
    else:
        record: dict[str, Any] = {field.name: getattr(key, field.name) for field in fields(AccessKey)}
        return CreatedAccessKey(**record, token=token)
    failure.key_id = _id_of(value)
    raise failure


def _find_token(value: JSON, suffix: str) -> Token:
    fields_of = value if isinstance(value, dict) else {}
    extra = {name: item for name, item in fields_of.items() if name not in _RECORD_NAMES}
    found = [
        text
        for text in extra.values()
        if isinstance(text, str) and len(text) > len(suffix) and text.endswith(suffix)
    ]
    if len(found) == 1:
        return Token(found[0])
    names = ", ".join(sorted(_show_name(name) for name in list(extra)[:20])) or "none"
    problem = f"expected one string that ends with the suffix, found {len(found)}"
    raise APIResponseError("$", f"{problem} (fields outside the record: {names})")


def _show_name(name: str) -> str:
    """Name a field, unless it could be a token itself."""
    return name if len(name) <= MAX_SHOWN_NAME and name.isidentifier() else f"one of {len(name)} characters"


def _id_of(value: JSON) -> str | None:
    try:
        return str(parse_uuid(value.get("id"))) if isinstance(value, dict) else None
    except ValueError:
        return None


@frozen
class ErrorBody:
    """What the body of a refusal says (`Error` in the contract); each part may be absent."""

    code: str | None = None
    message: str | None = None
    details: JSON = None


def read_error(body: bytes) -> ErrorBody:
    """Read the body of a refusal. Any body will do, and so will none."""
    try:
        value = strict.parse(body)
    except APIResponseError:
        return ErrorBody()
    if not isinstance(value, dict):
        return ErrorBody()
    code, message = value.get("code"), value.get("message")
    return ErrorBody(
        code=str(code) if isinstance(code, str | int) else None,
        message=message if isinstance(message, str) else None,
        details=value.get("details"),
    )
