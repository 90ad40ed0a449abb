"""What a failure of aiohttp's means for the caller: was anything sent, and may it be tried again."""

from __future__ import annotations

import os
import re
import ssl
from http import HTTPStatus
from typing import Final, Literal

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.http_exceptions import ContentEncodingError

from accesskeys_async._http.messages import Request
from accesskeys_async.errors import APIConnectionError, APIResponseError, APITimeoutError, one_line

_UNREGISTERED: Final = "Connection refused: "
"""How aioresponses begins to say that it has no response for a URL."""
_QUOTED: Final = re.compile("[:'\"`\n]")


class DroppedError(aiohttp.ClientError):
    """Stands for a lost connection on its way through aiohttp, which would resend a request by itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StaleConnectionError(DroppedError):
    """Raised when a connection that was kept is found dead before a byte of the response came."""

    def __init__(self, reason: str, *, sent: Literal[False] | None) -> None:
        super().__init__(reason)
        self.sent: Literal[False] | None = sent
        """False: nothing of the request was sent. None: it is not known whether it took effect."""

    @classmethod
    def of(cls, error: BaseException) -> StaleConnectionError:
        """Return the error for a request that was written already."""
        return cls(_reason(error), sent=None)


class MalformedResponseError(aiohttp.ClientError):
    """Raised when a body is not framed as HTTP, though its head was."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


async def stop_resending(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep a borrowed session from sending a GET, HEAD, PUT or DELETE once more when its connection drops.

    A lost answer to a DELETE would come back as 404, and attempts would be miscounted.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        dropped = drop(error)
    raise dropped


def drop(error: aiohttp.ClientError) -> DroppedError:
    """Make what stands for a lost connection, and keeps nothing of the error but its reason."""
    return DroppedError(_reason(error))


def classify(error: Exception, request: Request) -> APIConnectionError | APIResponseError:
    """Turn what aiohttp raised into an error of ours, with nothing of aiohttp's left in it.

    Only where no connection came about is it certain that nothing was sent.
    """
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return APITimeoutError(
            f"{request}: no connection in time; check the network, or allow more", sent=False
        )
    if isinstance(
        error,
        aiohttp.ClientConnectorError
        | aiohttp.ClientHttpProxyError
        | aiohttp.ServerFingerprintMismatch
        | aiohttp.InvalidURL,
    ):
        return APIConnectionError(f"{request}: could not connect{_tell_where(error)}", sent=False)
    if isinstance(error, aiohttp.ClientPayloadError) and _has_bad_encoding(error):
        return _out_of_contract(request, "a body in the encoding that it names")
    if isinstance(error, aiohttp.ClientResponseError | MalformedResponseError):
        # The rest of aiohttp's message quotes the answer, which may echo the token.
        problem = one_line(_QUOTED.split(error.message, maxsplit=1)[0], 100)
        return _out_of_contract(request, f"an HTTP answer, found something else ({problem})")
    if isinstance(error, TimeoutError):
        return APITimeoutError(f"{request}: no response in time; check the service, or allow more", sent=None)
    return APIConnectionError(
        f"{request}: the connection was lost before the whole response came: {_reason(error)}; check the "
        "service and the network",
        sent=None,
    )


def _out_of_contract(request: Request, expected: str) -> APIResponseError:
    failure = APIResponseError("$", f"expected {expected}")
    failure.context = str(request)
    return failure


def _has_bad_encoding(error: aiohttp.ClientPayloadError) -> bool:
    return isinstance(error.__cause__ or error.__context__, ContentEncodingError)


def _tell_where(error: Exception) -> str:
    """Say where and why no connection came about, and what to look at."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        what = (
            "the proxy's credentials"
            if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
            else "the proxy"
        )
        return f": the proxy responded with {error.status}; check {what}"
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return ": its certificate has another fingerprint; check the fingerprint and the server"
    if not isinstance(error, aiohttp.ClientConnectorError):
        return ": the URL is malformed; check the base URL"
    where = f" to {error.host}:{error.port}" if error.host else ""
    return f"{where}: {_reason(error)}; check the base URL and the network"


def _reason(error: BaseException) -> str:
    if isinstance(error, DroppedError):
        return error.reason
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed it"  # aiohttp's message may quote the response
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return one_line(f"its certificate was refused ({error.certificate_error})", 200)
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error.os_error, ssl.SSLError):
        # asyncio says `Connect call failed ('127.0.0.1', 9)` in place of the system's words.
        number = error.os_error.errno
        # The numbers of look-ups are below 0.
        text = (
            os.strerror(number) if number and number > 0 else error.os_error.strerror or str(error.os_error)
        )
        return one_line(text, 200)
    if type(error) is aiohttp.ClientConnectionError and str(error).startswith(_UNREGISTERED):
        return one_line(str(error), 200)
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror, 200)
    return type(error).__name__
