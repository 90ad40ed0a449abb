"""The five requests of the contract, and how their answers read. No I/O: a test of these needs no loop."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Final, NoReturn, TypeAlias
from urllib.parse import quote
from uuid import UUID

from accesskeys_async import wire
from accesskeys_async.errors import (
    AccessKeysError,
    APIResponseError,
    APIStatusError,
    BudgetExhaustedError,
    InvalidRequestError,
    RedirectError,
    one_line,
    status_error,
)
from accesskeys_async.records import AccessKey, AccessKeyPage, CreatedAccessKey, Unset
from accesskeys_async.transport.exchange import Request, Response
from accesskeys_async.transport.retry import BUDGET_EMPTY

__all__ = [
    "MAX_PAGE_SIZE",
    "Id",
    "RoleIds",
    "build_create",
    "build_delete",
    "build_get",
    "build_list",
    "build_update",
    "check_deletion",
    "check_list",
    "read_created",
    "read_deleted",
    "read_id",
    "read_key",
    "read_page",
    "read_role_ids",
    "warn_of_role_ids",
]

Id: TypeAlias = str | UUID
RoleIds: TypeAlias = Iterable[str | UUID] | Unset

MAX_PAGE_SIZE: Final = 100
MAX_TEXT_LENGTH: Final = 256
MAX_ROLES: Final = 5
UUID_LENGTH: Final = 36
"""Of the one form that has hyphens."""
MAX_PAGE_TOKEN_LENGTH: Final = 4096
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]+")


def read_id(argument: str, value: Id) -> UUID:
    """Check an id. Raises InvalidRequestError for what is no UUID."""
    if isinstance(value, UUID):
        return value
    try:
        return wire.parse_uuid(value)
    except ValueError:
        pass
    what = f"{len(value)} characters" if isinstance(value, str) else f"of type {type(value).__name__}"
    raise InvalidRequestError(argument, f"is {what} and not a UUID; it takes one, as str or uuid.UUID")


def _check_text(argument: str, value: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(argument, f"is of type {type(value).__name__}; it takes str")
    if not 1 <= len(value) <= MAX_TEXT_LENGTH:
        raise InvalidRequestError(
            argument, f"is {len(value)} characters; the API takes 1 to {MAX_TEXT_LENGTH}"
        )
    _check_unicode(argument, value)
    return value


def _check_unicode(argument: str, value: str) -> None:
    if value.isascii():
        return
    for index, character in enumerate(value):
        if "\ud800" <= character <= "\udfff":
            raise InvalidRequestError(
                argument, f"has half a surrogate pair at {index}, which no encoding carries; leave it out"
            )


def read_role_ids(role_ids: RoleIds) -> tuple[UUID, ...] | Unset:
    """Check role ids, and keep them: an iterator gives them once. Raises InvalidRequestError."""
    if isinstance(role_ids, Unset):
        return role_ids
    if isinstance(role_ids, str | UUID):
        raise InvalidRequestError("role_ids", "is a single id; it takes several, such as a list")
    if not isinstance(role_ids, Iterable):
        raise InvalidRequestError(
            "role_ids", f"is of type {type(role_ids).__name__}; it takes several ids, such as a list"
        )
    ids = tuple(read_id(f"role_ids[{index}]", value) for index, value in enumerate(role_ids))
    if not 1 <= len(ids) <= MAX_ROLES:
        raise InvalidRequestError("role_ids", f"has {len(ids)} ids; the API takes 1 to {MAX_ROLES}")
    return ids


def warn_of_role_ids(role_ids: object, *, stacklevel: int) -> None:
    """Warn that the API deprecates roleIds, where they are given at all."""
    if not isinstance(role_ids, Unset):
        warnings.warn("role_ids is deprecated by the API", DeprecationWarning, stacklevel=stacklevel + 1)


def _collection_path(organization_id: UUID) -> str:
    return f"/organizations/{wire.format_organization(organization_id)}/access-keys"


def _key_path(organization_id: UUID, key_id: Id) -> str:
    return f"/organizations/{wire.format_organization(organization_id)}/access-keys/{_write_id(key_id)}"


def _write_id(value: Id) -> str:
    """Write an id that was checked as the API does; mostly it is written so already."""
    if isinstance(value, UUID):
        return wire.format_uuid(value)
    is_written = len(value) == UUID_LENGTH and value.islower()
    return value if is_written else wire.format_uuid(wire.parse_uuid(value))


def build_list(
    organization_id: UUID, *, limit: int, reverse: bool, page_token: str | None, deadline: float | None = None
) -> Request:
    """Build listAccessKeys. Raises InvalidRequestError where a bound is broken."""
    check_list(limit=limit, page_token=page_token)
    query = f"limit={limit}"
    if page_token is not None:
        plain = _UNRESERVED.fullmatch(page_token)
        query += f"&pageToken={page_token if plain else quote(page_token, safe='')}"
    if reverse:
        query += "&reverse=true"
    return Request(
        "listAccessKeys",
        "GET",
        _collection_path(organization_id),
        organization_id,
        query,
        compress=True,
        deadline=deadline,
    )


def check_list(*, limit: int, page_token: str | None, prefetch: int = 0) -> None:
    """Check the bounds of a listing. Raises InvalidRequestError."""
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise InvalidRequestError("limit", f"is of type {type(limit).__name__}; it takes int")
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise InvalidRequestError("limit", f"is {limit}; the API takes 1 to {MAX_PAGE_SIZE}")
    if prefetch < 0:
        raise InvalidRequestError("prefetch", f"is {prefetch}; it takes 0 or more")
    if page_token is None:
        return
    if not isinstance(page_token, str):
        raise InvalidRequestError("page_token", f"is of type {type(page_token).__name__}; it takes str")
    if not 1 <= len(page_token) <= MAX_PAGE_TOKEN_LENGTH:
        raise InvalidRequestError(
            "page_token", f"is {len(page_token)} characters; it takes 1 to {MAX_PAGE_TOKEN_LENGTH}"
        )
    _check_unicode("page_token", page_token)


def build_get(organization_id: UUID, key_id: Id, *, deadline: float | None = None) -> Request:
    """Build getAccessKey. The id was checked."""
    path = _key_path(organization_id, key_id)
    return Request("getAccessKey", "GET", path, organization_id, deadline=deadline)


def build_create(
    organization_id: UUID,
    *,
    name: str,
    description: str,
    role_ids: RoleIds,
    deadline: float | None = None,
) -> Request:
    """Build createAccessKey, the one request that is not repeatable. Raises InvalidRequestError."""
    body = wire.dump_changes(
        name=_check_text("name", name),
        description=_check_text("description", description),
        role_ids=read_role_ids(role_ids),
    )
    return Request(
        "createAccessKey",
        "POST",
        _collection_path(organization_id),
        organization_id,
        body=body,
        repeatable=False,
        deadline=deadline,
    )


def build_update(
    organization_id: UUID,
    key_id: UUID,
    *,
    name: str | Unset,
    description: str | Unset,
    role_ids: RoleIds,
    deadline: float | None = None,
) -> Request:
    """Build updateAccessKey; what is UNSET stays as it is. Raises InvalidRequestError."""
    if isinstance(name, Unset) and isinstance(description, Unset) and isinstance(role_ids, Unset):
        raise InvalidRequestError("update", "names nothing to change; give name or description")
    body = wire.dump_changes(
        name=name if isinstance(name, Unset) else _check_text("name", name),
        description=description
        if isinstance(description, Unset)
        else _check_text("description", description),
        role_ids=read_role_ids(role_ids),
    )
    path = _key_path(organization_id, key_id)
    return Request("updateAccessKey", "PATCH", path, organization_id, body=body, deadline=deadline)


def build_delete(organization_id: UUID, key_id: UUID, *, deadline: float | None = None) -> Request:
    """Build deleteAccessKey."""
    path = _key_path(organization_id, key_id)
    return Request("deleteAccessKey", "DELETE", path, organization_id, deadline=deadline)


def check_deletion(key: AccessKey, *, expect_suffix: str | None, own_suffix: str | None) -> None:
    """Refuse to delete another key than was meant, or the one in use. Raises InvalidRequestError."""
    if expect_suffix is not None and key.suffix != expect_suffix:
        raise InvalidRequestError(
            "expect_suffix",
            f"is {one_line(expect_suffix, 20)!r}, and access key {key.id} has {key.suffix!r}: not deleted",
        )
    if own_suffix and key.suffix == own_suffix:
        raise InvalidRequestError(
            "key_id", f"is {key.id}, whose token this client uses: not deleted; allow_self=True does it"
        )


def read_page(request: Request, response: Response) -> AccessKeyPage:
    """Read the answer to listAccessKeys."""
    if response.status != 200:
        _refuse(request, response, expected=200)
    try:
        page = wire.read_page(response.body, organization_id=request.organization_id)
        if page.next_page_token is not None and len(page.next_page_token) > MAX_PAGE_TOKEN_LENGTH:
            raise APIResponseError("$.nextPageToken", f"expected at most {MAX_PAGE_TOKEN_LENGTH} characters")
        return page
    except APIResponseError as error:
        failure = _place(error, request, response)
    raise failure


def read_key(request: Request, response: Response, *, key_id: UUID) -> AccessKey:
    """Read the answer to getAccessKey or updateAccessKey."""
    if response.status != 200:
        _refuse(request, response, expected=200)
    text = request.path[-UUID_LENGTH:]
    try:
        return wire.read_key(response.body, organization_id=request.organization_id, key_id=key_id, text=text)
    except APIResponseError as error:
        failure = _place(error, request, response)
    raise failure


def read_created(request: Request, response: Response) -> CreatedAccessKey:
    """Read the answer to createAccessKey; 200 will do, since the seed of the contract leaves it open."""
    if response.status not in {200, 201}:
        _refuse(request, response, expected=201)
    try:
        return wire.read_created(response.body, organization_id=request.organization_id)
    except APIResponseError as error:
        failure = _place(error, request, response)
    raise failure


def read_deleted(request: Request, response: Response, *, missing_ok: bool) -> None:
    """Read the answer to deleteAccessKey.

    A 404 is a success after an attempt with an unknown outcome, which this client's own delete explains.
    """
    if response.status in {200, 202, 204}:
        return
    if response.status == 404 and (missing_ok or any(a.effect_unknown for a in response.earlier)):
        return
    _refuse(request, response, expected=204)


def _place(error: APIResponseError, request: Request, response: Response) -> APIResponseError:
    error.context = str(request)
    error.attempts = response.attempts
    # The frames below hold the body, which may have a token in it: a traceback that shows locals would, too.
    return error.with_traceback(None)


def _refuse(request: Request, response: Response, *, expected: int) -> NoReturn:
    error = _explain(request, response, expected=expected)
    error.attempts = response.attempts
    if response.stopped is not None:
        error.add_note(f"not tried again: {response.stopped}")
    if response.stopped == BUDGET_EMPTY:
        raise error from BudgetExhaustedError(f"{request}: {BUDGET_EMPTY}; the API fails too often")
    raise error


def _explain(request: Request, response: Response, *, expected: int) -> AccessKeysError:
    if 300 <= response.status < 400:
        return RedirectError(
            str(request),
            status=response.status,
            location=response.headers.get("Location"),
            request_id=response.request_id,
        )
    if response.status < 400:
        error = APIResponseError("$", f"expected status {expected}, found {response.status}")
        error.context = str(request)
        return error
    kind: type[APIStatusError] = status_error(response.status)
    said = wire.read_error(response.body)
    return kind(
        str(request),
        status=response.status,
        code=said.code,
        message=said.message,
        details=said.details,
        request_id=response.request_id,
        retry_after=response.retry_after,
    )
