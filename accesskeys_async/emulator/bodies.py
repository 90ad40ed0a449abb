"""Reading a request's body: its type, and no more of it than is allowed."""

from __future__ import annotations

from aiohttp import web

from .replies import Refusal

MAX_BODY = 64 * 1024


async def read_json_body(request: web.BaseRequest) -> bytes:
    """Return a body that says it is JSON, up to 64 KiB after decompression.

    Raises:
        Refusal: 415 for another type or charset, 413 for more than 64 KiB, 400 for broken framing.
    """
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
        raise Refusal(415, "UnsupportedMediaType", "The body's Content-Type is not application/json in UTF-8")
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    _invite(request)
    parts: list[bytes] = []
    size = 0
    try:
        while part := await request.content.readany():
            size += len(part)
            if size > MAX_BODY:
                raise _too_large()
            parts.append(part)
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(400, "MalformedBody", "The body ends early or its framing is broken") from None
    return b"".join(parts)


def _invite(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to go on (RFC 9110, 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _too_large() -> Refusal:
    return Refusal(413, "PayloadTooLarge", f"The body is over {MAX_BODY} bytes, the most that is taken")
