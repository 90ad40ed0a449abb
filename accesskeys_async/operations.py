"""The five requests of the contract, and how their answers read. No I/O: a test of these needs no loop."""

from __future__ import annotations

import re
from typing import Final, NoReturn
from urllib.parse import quote
from uuid import UUID

from accesskeys_async import wire
from accesskeys_async.arguments import (
    MAX_PAGE_SIZE,
    MAX_PAGE_TOKEN_LENGTH,
    MAX_TEXT_LENGTH,
    Id,
    RoleIds,
    RoleRefLike,
    RoleRefs,
    check_list,
    check_roles,
    check_text,
    read_id,
    read_role_ids,
    read_role_refs,
    warn_of_role_ids,
)
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
from accesskeys_async.records import UNSET, AccessKey, AccessKeyPage, CreatedAccessKey, Unset
from accesskeys_async.transport.exchange import Request, Response
from accesskeys_async.transport.retry import BUDGET_EMPTY

__all__ = [
    "MAX_PAGE_SIZE",
    "MAX_TEXT_LENGTH",
    "Id",
    "RoleIds",
    "RoleRefLike",
    "RoleRefs",
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
    "read_role_refs",
    "warn_of_role_ids",
]

UUID_LENGTH: Final = 36
"""Of the one form that has hyphens."""
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]+")


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


def build_get(organization_id: UUID, key_id: Id, *, deadline: float | None = None) -> Request:
    """Build getAccessKey. The id was checked."""
    path = _key_path(organization_id, key_id)
    return Request("getAccessKey", "GET", path, organization_id, deadline=deadline)


def build_create(
    organization_id: UUID,
    *,
    name: str,
    description: str,
    role_refs: RoleRefs = UNSET,
    role_ids: RoleIds = UNSET,
    deadline: float | None = None,
) -> Request:
    """Build createAccessKey, the one request that is not repeatable. Raises InvalidRequestError."""
    check_roles(role_refs, role_ids)
    body = wire.dump_changes(
        name=check_text("name", name),
        description=check_text("description", description),
        role_refs=read_role_refs(role_refs),
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
    name: str | Unset = UNSET,
    description: str | Unset = UNSET,
    role_refs: RoleRefs = UNSET,
    role_ids: RoleIds = UNSET,
    deadline: float | None = None,
) -> Request:
    """Build updateAccessKey; what is UNSET stays as it is. Raises InvalidRequestError."""
    if all(isinstance(value, Unset) for value in (name, description, role_refs, role_ids)):
        raise InvalidRequestError("update", "names nothing to change; give name, description or role_refs")
    check_roles(role_refs, role_ids)
    body = wire.dump_changes(
        name=name if isinstance(name, Unset) else check_text("name", name),
        description=description if isinstance(description, Unset) else check_text("description", description),
        role_refs=read_role_refs(role_refs),
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
    """Read the response to listAccessKeys."""
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
    """Read the response to getAccessKey or updateAccessKey."""
    if response.status != 200:
        _refuse(request, response, expected=200)
    text = request.path[-UUID_LENGTH:]
    try:
        return wire.read_key(response.body, organization_id=request.organization_id, key_id=key_id, text=text)
    except APIResponseError as error:
        failure = _place(error, request, response)
    raise failure


def read_created(request: Request, response: Response) -> CreatedAccessKey:
    """Read the response to createAccessKey; the seed of the contract leaves open whether it is 200 or 201."""
    if response.status not in {200, 201}:
        _refuse(request, response, expected=201)
    try:
        return wire.read_created(response.body, organization_id=request.organization_id)
    except APIResponseError as error:
        failure = _place(error, request, response)
    raise failure


def read_deleted(request: Request, response: Response, *, missing_ok: bool) -> None:
    """Read the response to deleteAccessKey.

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


_ACTIONS: Final = {
    "listAccessKeys": "view",
    "getAccessKey": "view",
    "createAccessKey": "create",
    "updateAccessKey": "update",
    "deleteAccessKey": "delete",
}


def _permission_advice(request: Request) -> str:
    action = _ACTIONS.get(request.operation, "any")
    return f"use a token of that organization with a role whose policies allow {action!r} on {request.path}"


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
        advice=response.advice or (_permission_advice(request) if response.status == 403 else None),
        status=response.status,
        code=said.code,
        message=said.message,
        details=said.details,
        request_id=response.request_id,
        retry_after=response.retry_after,
    )
