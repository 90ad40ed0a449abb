from __future__ import annotations

import errno
import inspect
import re
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from accesskeys_async._http.failures import DroppedError, classify, stop_resending
from accesskeys_async._http.messages import Request
from accesskeys_async.errors import APIConnectionError, APIResponseError, APITimeoutError

MakeRequest = Callable[..., Request]

SECRET = "hush-hush-hush"
HEADERS = CIMultiDictProxy(CIMultiDict({"Authorization": f"AccessKey {SECRET}"}))
INFO = aiohttp.RequestInfo(URL("https://api.example/"), "GET", HEADERS, URL("https://api.example/"))
KEY = ConnectionKey("api.example", 443, True, True, None, None, None)

CLASSES = {
    kind
    for _, kind in inspect.getmembers(client_exceptions, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == client_exceptions.__name__
}

CONNECTION, TIMEOUT, RESPONSE = APIConnectionError, APITimeoutError, APIResponseError
# What becomes of each, and what is known of whether it was sent; "-" where there is no such question.
EXPECTED: dict[str, tuple[type[Exception], object]] = {
    "ClientError": (CONNECTION, None),
    "ClientConnectionError": (CONNECTION, None),
    "ClientConnectionResetError": (CONNECTION, None),
    "ClientOSError": (CONNECTION, None),
    "ServerConnectionError": (CONNECTION, None),
    "ServerDisconnectedError": (CONNECTION, None),
    "ClientPayloadError": (CONNECTION, None),
    "UploadAbortedError": (CONNECTION, None),
    "RedirectClientError": (CONNECTION, None),
    "NonHttpUrlClientError": (CONNECTION, None),
    "NonHttpUrlRedirectClientError": (CONNECTION, None),
    "ClientConnectorError": (CONNECTION, False),
    "ClientConnectorDNSError": (CONNECTION, False),
    "ClientProxyConnectionError": (CONNECTION, False),
    "UnixClientConnectorError": (CONNECTION, False),
    "ClientSSLError": (CONNECTION, False),
    "ClientConnectorSSLError": (CONNECTION, False),
    "ClientConnectorCertificateError": (CONNECTION, False),
    "ServerFingerprintMismatch": (CONNECTION, False),
    "ClientHttpProxyError": (CONNECTION, False),
    "InvalidURL": (CONNECTION, False),
    "InvalidUrlClientError": (CONNECTION, False),
    "InvalidUrlRedirectClientError": (CONNECTION, False),
    "ConnectionTimeoutError": (TIMEOUT, False),
    "ServerTimeoutError": (TIMEOUT, None),
    "SocketTimeoutError": (TIMEOUT, None),
    "ClientResponseError": (RESPONSE, "-"),
    "ContentTypeError": (RESPONSE, "-"),
    "TooManyRedirects": (RESPONSE, "-"),
    "WSServerHandshakeError": (RESPONSE, "-"),
}


def make(kind: type[Exception]) -> Exception:
    """Make an error as aiohttp does, with all that it knows of the request."""
    if issubclass(kind, aiohttp.ClientResponseError):
        return kind(INFO, (), status=400, message=f"Invalid header: {SECRET!r}", headers=HEADERS)
    if issubclass(kind, aiohttp.ClientConnectorCertificateError):
        return kind(KEY, ssl.SSLCertVerificationError(1, "self-signed certificate"))
    if issubclass(kind, client_exceptions.UnixClientConnectorError):
        return kind("/tmp/socket", KEY, OSError(111, "Connection refused"))
    if issubclass(kind, aiohttp.ClientConnectorError):
        return kind(KEY, OSError(111, "Connection refused"))
    if issubclass(kind, aiohttp.ServerFingerprintMismatch):
        return kind(b"expected", b"got", "api.example", 443)
    if issubclass(kind, aiohttp.InvalidURL):
        return kind(URL(f"https://{SECRET}@api.example/"), SECRET)
    if issubclass(kind, aiohttp.ClientConnectionResetError | aiohttp.ClientOSError):
        return kind(104, "Connection reset by peer")
    return kind(SECRET)


def test_the_table_has_every_client_error_of_aiohttp() -> None:
    # A message of the wrong type is sent over a WebSocket alone, which we have none of.
    assert set(EXPECTED) == {kind.__name__ for kind in CLASSES} - {"WSMessageTypeError"}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_client_error_of_aiohttp_becomes_one_of_ours(name: str, make_request: MakeRequest) -> None:
    kind, sent = EXPECTED[name]
    error = classify(make(getattr(client_exceptions, name)), make_request())
    assert type(error) is kind
    assert getattr(error, "sent", "-") == sent
    assert str(error).startswith("GET /organizations/")
    assert len(str(error).splitlines()) == 1
    assert SECRET not in str(error) + repr(vars(error))
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (TimeoutError(), APITimeoutError, "no response in time; check the service, or allow more"),
        (
            OSError(104, "Connection reset by peer"),
            APIConnectionError,
            "Connection reset by peer; check the ",
        ),
        (ConnectionResetError(), APIConnectionError, "ConnectionResetError"),
        (ValueError(SECRET), APIConnectionError, "ValueError"),
        (DroppedError("Broken pipe"), APIConnectionError, "Broken pipe"),
    ],
)
def test_what_is_not_aiohttp_s_becomes_one_of_ours_too(
    error: Exception, kind: type[APIConnectionError], said: str, make_request: MakeRequest
) -> None:
    made = classify(error, make_request())
    assert type(made) is kind
    assert isinstance(made, APIConnectionError)
    assert made.sent is None
    assert said in str(made)
    assert SECRET not in str(made)


def test_a_refused_connection_says_where_and_why(make_request: MakeRequest) -> None:
    text = str(classify(make(aiohttp.ClientConnectorError), make_request()))
    assert "could not connect" in text
    assert "api.example:443" in text
    assert "Connection refused" in text


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
    ],
)
def test_a_failed_connection_says_why_in_the_system_s_words_and_what_to_look_at(
    raised: OSError, said: str, make_request: MakeRequest
) -> None:
    key = ConnectionKey("api.example", 443, True, True, None, None, None)
    text = str(classify(aiohttp.ClientConnectorError(key, raised), make_request()))
    assert text.partition(": ")[2].startswith("could not connect to api.example:443: ")
    assert said in text
    assert text.endswith("; check the base URL and the network")
    assert not re.search("ssl|Connect call|Errno", text)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            aiohttp.ClientHttpProxyError(INFO, (), status=407),
            "the proxy responded with 407; check the proxy's credentials",
        ),
        (aiohttp.ClientHttpProxyError(INFO, (), status=502), "the proxy responded with 502; check the proxy"),
        (aiohttp.InvalidURL("https://"), "the URL is malformed; check the base URL"),
        (
            aiohttp.ServerFingerprintMismatch(b"e", b"g", "api.example", 443),
            "its certificate has another fingerprint; check the fingerprint and the server",
        ),
    ],
)
def test_what_else_prevents_a_connection_says_why_and_what_to_check(
    error: Exception, said: str, make_request: MakeRequest
) -> None:
    assert str(classify(error, make_request())).endswith(f": could not connect: {said}")


def test_a_server_that_disconnects_is_named_in_plain_words(make_request: MakeRequest) -> None:
    assert str(classify(aiohttp.ServerDisconnectedError(), make_request())).endswith(
        ": the connection was lost before the whole response came: the server closed it; check the service "
        "and the network"
    )


def test_a_refused_certificate_says_so(make_request: MakeRequest) -> None:
    text = str(classify(make(aiohttp.ClientConnectorCertificateError), make_request()))
    assert "its certificate was refused" in text
    assert "self-signed certificate" in text


def test_the_words_of_a_mock_that_has_no_response_for_a_url_are_passed_on(make_request: MakeRequest) -> None:
    words = "Connection refused: GET https://api.example/organizations"
    assert words in str(classify(aiohttp.ClientConnectionError(words), make_request()))


@pytest.mark.parametrize(("in_cause", "kind"), [(True, APIResponseError), (False, APIConnectionError)])
def test_a_body_in_a_bad_encoding_is_out_of_contract_and_one_cut_off_is_not(
    in_cause: bool, kind: type[Exception], make_request: MakeRequest
) -> None:
    inner: Exception = http_exceptions.ContentEncodingError("bad") if in_cause else OSError()
    error = aiohttp.ClientPayloadError(SECRET)
    error.__cause__ = inner
    assert type(classify(error, make_request())) is kind


@pytest.mark.parametrize(
    "message",
    [f"Bad status line {SECRET!r}", f"Invalid header value char:\n\n  b'{SECRET}'\n  ^", f'"{SECRET}"'],
)
def test_what_an_answer_was_instead_of_http_is_not_quoted(message: str, make_request: MakeRequest) -> None:
    error = aiohttp.ClientResponseError(INFO, (), status=400, message=message)
    assert SECRET not in str(classify(error, make_request()))


async def pass_through(raised: Exception | None) -> object:
    async def handler(_: aiohttp.ClientRequest) -> Any:
        if raised is not None:
            raise raised
        return "the reply"

    return await stop_resending(Mock(spec=aiohttp.ClientRequest), handler)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (aiohttp.ServerDisconnectedError(), "the server closed it"),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), "Connection reset by peer"),
        (aiohttp.ClientOSError(), "ClientOSError"),
    ],
)
async def test_a_lost_connection_is_kept_from_aiohttp_which_would_send_again(
    error: Exception, reason: str
) -> None:
    with pytest.raises(DroppedError) as caught:
        await pass_through(error)
    assert caught.value.reason == reason
    # aiohttp's loop resends at these two, so ours must be neither.
    assert not isinstance(caught.value, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)
    assert caught.value.__context__ is None
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


@pytest.mark.parametrize(
    "kind", [aiohttp.ClientConnectorError, aiohttp.ClientPayloadError, aiohttp.InvalidURL]
)
async def test_other_errors_and_replies_pass(kind: type[Exception]) -> None:
    error = make(kind)
    with pytest.raises(kind) as caught:
        await pass_through(error)
    assert caught.value is error
    assert await pass_through(None) == "the reply"
