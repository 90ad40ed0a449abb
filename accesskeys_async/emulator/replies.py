"""Answers as plain values, and the refusals that become one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import attrs

Details = Mapping[str, list[str]]
_NO_DETAILS: Details = {}
_NO_HEADERS: Mapping[str, str] = {}


@attrs.frozen
class Reply:
    """A status, a JSON body (or none) and headers, before anything is written."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = _NO_HEADERS


class Refusal(Exception):  # noqa: N818 - it is an answer to send, not an error of this process
    """Stop handling a request and answer with an error."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Details = _NO_DETAILS,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        super().__init__(message)
        self.reply = error_reply(status, code, message, details=details, headers=headers)


def error_reply(
    status: int,
    code: str,
    message: str,
    *,
    details: Details = _NO_DETAILS,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> Reply:
    """Return a response in the contract's Error shape, with `details` only if there are any."""
    content: dict[str, object] = {"code": code, "message": message}
    if details:
        content["details"] = details
    return Reply(status, json.dumps(content, separators=(",", ":")).encode(), headers)


def invalid(details: Details) -> Refusal:
    """Return the 422 whose details tell of each path in the request what is wrong with it."""
    return Refusal(
        422, "InvalidPayload", "The request did not validate; change what details name", details=details
    )


def not_allowed(methods: Iterable[str]) -> Refusal:
    """Return the 405 that names the methods of a path."""
    allowed = ", ".join(methods)
    return Refusal(405, "MethodNotAllowed", f"This path takes {allowed}", headers={"Allow": allowed})
