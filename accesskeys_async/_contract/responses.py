"""How the responses to the five requests read. No I/O."""

from __future__ import annotations

from typing import Final, NoReturn
from uuid import UUID

from accesskeys_async._contract import created_key, decoding
from accesskeys_async._contract.arguments import MAX_PAGE_TOKEN_LENGTH
from accesskeys_async._contract.requests import UUID_LENGTH
from accesskeys_async._http.messages import Request, Response, StopReason
from accesskeys_async.errors import (
    AccessKeysError,
    APIResponseError,
    APIStatusError,
    BudgetExhaustedError,
    RedirectError,
    status_error,
)
from accesskeys_async.records import AccessKey, AccessKeyPage, CreatedAccessKey


def read_page(request: Request, response: Response) -> AccessKeyPage:
    """Read the response to listAccessKeys."""
    if response.status != 200:
        _refuse(request, response, expected=200)
    try:
        page = decoding.read_page(response.body, organization_id=request.organization_id)
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
        return decoding.read_key(
            response.body, organization_id=request.organization_id, key_id=key_id, text=text
        )
    except APIResponseError as error:
        failure = _place(error, request, response)
    raise failure


def read_created(request: Request, response: Response) -> CreatedAccessKey:
    """Read the response to createAccessKey; the seed of the contract leaves open whether it is 200 or 201."""
    if response.status not in {200, 201}:
        _refuse(request, response, expected=201)
    try:
        return created_key.read_created(response.body, organization_id=request.organization_id)
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
        if response.stopped.reason is StopReason.BUDGET_EMPTY:
            raise error from BudgetExhaustedError(f"{request}: {response.stopped}; the API fails too often")
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


def _advise(request: Request, status: int) -> str | None:
    """Return what to do about a refusal, if the request tells more than the status does."""
    if status == 403:
        return _permission_advice(request)
    if status >= 500 and request.method != "GET":
        return "check whether the change happened, then try again"
    return None


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
    said = decoding.read_error(response.body)
    return kind(
        str(request),
        advice=response.advice or _advise(request, response.status),
        status=response.status,
        code=said.code,
        message=said.message,
        details=said.details,
        request_id=response.request_id,
        retry_after=response.retry_after,
    )
