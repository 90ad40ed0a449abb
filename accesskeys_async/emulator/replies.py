"""Answers as plain values, and the refusals that become one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import attrs

__all__ = ["Detail", "Refusal", "Reply", "error_reply", "invalid", "not_allowed"]

Detail = Mapping[str, str]
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
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        super().__init__(message)
        self.reply = error_reply(status, code, message, details=details, headers=headers)


def error_reply(
    status: int,
    code: str,
    message: str,
    *,
    details: Sequence[Detail] = (),
    headers: Mapping[str, str] = _NO_HEADERS,
) -> Reply:
    """Return an answer in the contract's Error shape; `details` is always a list."""
    content = {"code": code, "message": message, "details": [dict(detail) for detail in details]}
    return Reply(status, json.dumps(content, separators=(",", ":")).encode(), headers)


def invalid(details: Sequence[Detail]) -> Refusal:
    """Return the 422 whose details each name a field and what is wrong with it."""
    message = "; ".join(f"{detail['field']} {detail['message']}" for detail in details)
    return Refusal(422, "validation_failed", message, details=details)


def not_allowed(methods: Iterable[str]) -> Refusal:
    """Return the 405 that names the methods of a path."""
    allowed = ", ".join(methods)
    return Refusal(405, "method_not_allowed", f"This path takes {allowed}", headers={"Allow": allowed})
