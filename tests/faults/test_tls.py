"""TLS: what is trusted, and what is refused before a token is sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from accesskeys_async import AccessKeysClient, APIConnectionError, ConfigurationError, RetryPolicy, Timeout
from tests.faults.raw_server import KEY_ID, ORGANIZATION, TOKEN, RawServer, Scripted, assert_ours


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure_server(authority: trustme.CA) -> AsyncIterator[RawServer]:
    """The raw server behind TLS, with a certificate of an authority that no machine trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    raw = RawServer()
    listener = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=context)
    raw.url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        listener.close()
        await raw.stop()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(path)
    return path


async def fail_to_connect(url: str, **options: object) -> APIConnectionError:
    async with AccessKeysClient(
        TOKEN, base_url=url, retry=RetryPolicy(max_retries=0), timeout=Timeout(connect=0.5), **options
    ) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.get(ORGANIZATION, KEY_ID)
    assert_ours(caught.value)
    assert caught.value.sent is False
    return caught.value


async def test_a_certificate_of_an_unknown_authority_is_refused_and_nothing_is_sent(
    secure_server: RawServer,
) -> None:
    error = await fail_to_connect(secure_server.url)
    assert "certificate" in str(error).lower()
    assert secure_server.heads == []


async def test_a_certificate_of_another_host_is_refused(secure_server: RawServer, bundle: Path) -> None:
    await fail_to_connect(secure_server.url.replace("127.0.0.1", "localhost"), ssl=bundle)
    assert secure_server.heads == []


@pytest.mark.parametrize("form", [str, Path])
async def test_a_bundle_of_authorities_may_be_given(
    secure_server: RawServer, bundle: Path, form: type[str | Path]
) -> None:
    async with AccessKeysClient(TOKEN, base_url=secure_server.url, ssl=form(bundle)) as client:
        assert str((await client.get(ORGANIZATION, KEY_ID)).id) == KEY_ID


async def test_a_context_may_be_given(secure_server: RawServer, authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with AccessKeysClient(TOKEN, base_url=secure_server.url, ssl=context) as client:
        assert str((await client.get(ORGANIZATION, KEY_ID)).id) == KEY_ID


def test_a_bundle_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(ConfigurationError, match="CA bundle: No such file"):
        AccessKeysClient(TOKEN, ssl=nothing)
    nothing.write_text("no certificate")
    with pytest.raises(ConfigurationError, match="CA bundle"):
        AccessKeysClient(TOKEN, ssl=nothing)


async def test_tls_to_a_plain_port_could_not_connect(server: RawServer) -> None:
    await fail_to_connect(server.url.replace("http:", "https:"))
    assert server.heads == []


async def test_plain_http_to_a_tls_port_is_no_answer(secure_server: RawServer) -> None:
    async with AccessKeysClient(
        TOKEN, base_url=secure_server.url.replace("https:", "http:"), retry=RetryPolicy(max_retries=0)
    ) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.get(ORGANIZATION, KEY_ID)
    assert caught.value.sent is None
    assert_ours(caught.value)


async def test_a_connection_that_breaks_off_under_tls_is_lost(secure_server: RawServer, bundle: Path) -> None:
    secure_server.play(Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", then="reset"))
    async with AccessKeysClient(
        TOKEN, base_url=secure_server.url, ssl=bundle, retry=RetryPolicy(max_retries=0)
    ) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.get(ORGANIZATION, KEY_ID)
        assert caught.value.sent is None
        assert_ours(caught.value)
        assert str((await client.get(ORGANIZATION, KEY_ID)).id) == KEY_ID
