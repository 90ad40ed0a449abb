"""What operations read: pages, keys and refusals."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from attrs import frozen

from accesskeys_async._contract import fast, strict
from accesskeys_async._contract.fields import JSON, format_uuid
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import AccessKey, AccessKeyPage


def read_page(body: bytes, *, organization_id: UUID) -> AccessKeyPage:
    """Read a page of keys of that organization (`AccessKeyPage` in the contract).

    Raises APIResponseError with the place of what is out of contract.
    """
    page = fast.decode_page(body, organization_id)
    if page is not None:
        return page
    page = strict.read_page(body)
    for index, key in enumerate(page.results):
        check_id(key.organization_id, organization_id, f"$.results[{index}].organizationId")
    return page


_NEXT_PAGE: Final = re.compile(rb'"nextPageToken"\s*:\s*"([^"\\]+)"')


def peek_next_page_token(body: bytes) -> str | None:
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
        key = strict.read_key(body)
        check_id(key.organization_id, organization_id, "$.organizationId")
        check_id(key.id, key_id, "$.id")
    return key


def check_id(found: UUID, requested: UUID, place: str) -> None:
    """Check that a response is about what was requested. Raises APIResponseError."""
    if found.int != requested.int:
        raise APIResponseError(place, f"expected {requested}, which was requested, found another")


MAX_ERROR_BYTES: Final = 65_536
"""A larger body of a refusal is no message for people, and not worth its time."""


@frozen
class ErrorBody:
    """What the body of a refusal says (`Error` in the contract); each part may be absent."""

    code: str | None = None
    message: str | None = None
    details: JSON = None


def read_error(body: bytes) -> ErrorBody:
    """Read the body of a refusal. Any body will do, and so will none; one that is too large is not read."""
    if len(body) > MAX_ERROR_BYTES:
        return ErrorBody()
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
