"""Connections that do not come about, die while idle, or belong to somebody else."""

from __future__ import annotations

import asyncio
import socket
import sys
import warnings
from pathlib import Path

import aiohttp
import pytest

from accesskeys_async import (
    AccessKeysClient,
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    ConfigurationError,
    CreateOutcomeUnknownError,
    NotFoundError,
    RetryPolicy,
    Timeout,
)
from tests.faults.conftest import MakeClient
from tests.faults.raw_server import KEY_ID, ORGANIZATION, TOKEN, RawServer, Scripted, answer, assert_ours
from tests.waiting import let_run, until


async def test_a_refused_connection_sent_nothing(make_client: MakeClient, unused_tcp_port: int) -> None:
    client = make_client(base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(APIConnectionError) as caught:
        await client.get(ORGANIZATION, KEY_ID)
    assert caught.value.sent is False
    assert_ours(caught.value)


async def test_a_name_that_does_not_resolve_sent_nothing(make_client: MakeClient) -> None:
    client = make_client(base_url="https://nowhere.invalid")
    with pytest.raises(APIConnectionError) as caught:
        await client.get(ORGANIZATION, KEY_ID)
    assert caught.value.sent is False
    assert "nowhere.invalid" in str(caught.value)
    assert_ours(caught.value)


async def test_a_connection_that_takes_too_long_sent_nothing(make_client: MakeClient) -> None:
    with socket.socket() as listener:
        # A backlog that is full drops what comes next, so that connecting neither succeeds nor fails.
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        fillers[0].connect(listener.getsockname())
        for filler in fillers[1:]:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = make_client(base_url=url, timeout=Timeout(connect=0.1, attempt=2.0))
        with pytest.raises(APITimeoutError) as caught:
            await client.get(ORGANIZATION, KEY_ID)
        for filler in fillers:
            filler.close()
    assert caught.value.sent is False
    assert_ours(caught.value)


async def test_a_connection_closed_while_idle_is_not_used_again(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client()
    server.play(Scripted(answer(), then="close"))
    await client.get(ORGANIZATION, KEY_ID)
    await until(lambda: server.is_idle)
    await let_run()
    await client.create(ORGANIZATION, name="a", description="b")
    assert len(server.heads) == 2
    assert server.connections == 2


async def test_a_connection_that_breaks_as_a_request_is_sent_is_tried_again(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client(retry=RetryPolicy(max_retries=1, base_delay=0))
    server.play(Scripted(then="reset"))
    await client.get(ORGANIZATION, KEY_ID)
    assert len(server.heads) == 2


async def test_connections_are_kept_and_never_more_than_allowed(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client(max_concurrency=3)
    await asyncio.gather(*(client.get(ORGANIZATION, KEY_ID) for _ in range(20)))
    assert len(server.heads) == 20
    assert server.connections <= 3


async def test_waiting_for_a_place_is_not_connecting(make_client: MakeClient, server: RawServer) -> None:
    client = make_client(max_concurrency=1, timeout=Timeout(connect=0.1, attempt=0.2))
    slow = Scripted(b"", more=lambda: [b"", answer()], pause=0.07, then="keep")
    server.play(*[slow] * 4)
    await asyncio.gather(*(client.get(ORGANIZATION, KEY_ID) for _ in range(4)))
    assert server.connections == 1


async def test_a_client_closed_under_way_says_so_and_leaves_nothing(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client()
    server.play(Scripted(then="hold"))
    call = asyncio.create_task(client.get(ORGANIZATION, KEY_ID))
    await until(lambda: server.heads)
    await client.aclose()
    with pytest.raises(ClientClosedError) as caught:
        await call
    assert_ours(caught.value)
    await client.aclose()


async def test_a_closed_client_refuses_calls(make_client: MakeClient, server: RawServer) -> None:
    client = make_client()
    await client.get(ORGANIZATION, KEY_ID)
    clone = client.with_options(deadline=1.0)
    await client.aclose()
    for closed in (client, clone):
        with pytest.raises(ClientClosedError, match="closed"):
            await closed.get(ORGANIZATION, KEY_ID)
    assert len(server.heads) == 1


class _Recorder:
    def __init__(self) -> None:
        self.calls = 0

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self.calls += 1
        return await handler(request)


async def test_what_a_borrowed_session_is_set_to_does_not_apply(
    make_client: MakeClient, server: RawServer
) -> None:
    recorder = _Recorder()
    async with aiohttp.ClientSession(
        raise_for_status=True,
        middlewares=(recorder,),
        timeout=aiohttp.ClientTimeout(total=0.05, sock_read=0.05),
        headers={"Authorization": "Basic other", "Accept": "text/html"},
    ) as session:
        client = make_client(session=session)
        late = Scripted(b"", more=lambda: [b"", answer()], pause=0.1, then="keep")
        server.play(answer("404 Not Found", {"code": "not_found", "message": "gone"}), late)
        with pytest.raises(NotFoundError, match="gone"):
            await client.get(ORGANIZATION, KEY_ID)
        await client.get(ORGANIZATION, KEY_ID)
        await client.aclose()
        assert not session.closed
    assert recorder.calls == 0
    for head in server.heads:
        lines = head.decode().split("\r\n")
        assert [line for line in lines if line.startswith("Authorization")] == [
            f"Authorization: AccessKey {TOKEN}"
        ]
        assert "Accept: application/json" in lines


async def test_a_borrowed_session_that_is_closed_says_so(make_client: MakeClient, server: RawServer) -> None:
    session = aiohttp.ClientSession()
    client = make_client(session=session)
    await client.get(ORGANIZATION, KEY_ID)
    await session.close()
    with pytest.raises(ClientClosedError):
        await client.get(ORGANIZATION, KEY_ID)
    with pytest.raises(ClientClosedError):
        await make_client(session=session).get(ORGANIZATION, KEY_ID)


async def test_a_borrowed_session_with_auth_of_its_own_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("user", "word"))
    async with session:
        with pytest.raises(ConfigurationError, match="auth"):
            AccessKeysClient(TOKEN, session=session)


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unused_tcp_port_factory: object
) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("default login user password word\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return monkeypatch


SERVICE = "https://service.example"
REFUSED = answer("407 Proxy Authentication Required", b"")


async def test_a_proxy_from_the_environment_is_ignored_unless_requested(
    make_client: MakeClient, server: RawServer, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("https_proxy", server.url)
    with pytest.raises(APIConnectionError):
        await make_client(base_url="https://127.0.0.1:1").get(ORGANIZATION, KEY_ID)
    assert server.connections == 0


@pytest.mark.parametrize("how", ["environment", "argument"])
async def test_a_proxy_is_used_when_requested(
    make_client: MakeClient, server: RawServer, environment: pytest.MonkeyPatch, how: str
) -> None:
    environment.setenv("HTTPS_PROXY", server.url if how == "environment" else "http://127.0.0.1:1")
    options = {"trust_env": True} if how == "environment" else {"trust_env": True, "proxy": server.url}
    server.play(REFUSED)
    with pytest.raises(APIConnectionError):
        await make_client(base_url=SERVICE, **options).get(ORGANIZATION, KEY_ID)
    assert server.heads[0].startswith(b"CONNECT service.example:443 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_loopback_address_never_goes_through_the_environments_proxy(
    make_client: MakeClient, server: RawServer, environment: pytest.MonkeyPatch, host: str
) -> None:
    async with asyncio.timeout(5):
        proxy = await asyncio.start_server(lambda reader, writer: seen.append(writer), "127.0.0.1", 0)
    seen: list[asyncio.StreamWriter] = []
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    environment.setenv("http_proxy", address)
    client = make_client(base_url=server.url.replace("127.0.0.1", host), trust_env=True)
    await client.get(ORGANIZATION, KEY_ID)
    assert len(server.heads) == 1
    assert seen == []
    proxy.close()


async def test_a_proxy_that_was_given_is_used_for_a_loopback_address_from_one(
    make_client: MakeClient, server: RawServer, unused_tcp_port: int
) -> None:
    client = make_client(base_url=f"http://127.0.0.1:{unused_tcp_port}", proxy=server.url)
    await client.get(ORGANIZATION, KEY_ID)
    assert server.heads[0].startswith(f"GET http://127.0.0.1:{unused_tcp_port}/".encode())


def test_a_proxy_elsewhere_would_see_the_token_of_an_http_url() -> None:
    with pytest.raises(ConfigurationError, match="proxy is at proxy"):
        AccessKeysClient(TOKEN, base_url="http://127.0.0.1:1", proxy="http://user:word@proxy.example:1")


async def test_a_proxy_is_told_the_credentials_in_its_url_and_never_the_token(
    make_client: MakeClient, server: RawServer, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("https_proxy", server.url.replace("http://", "user:word@"))
    server.play(REFUSED)
    with pytest.raises(APIConnectionError) as caught:
        await make_client(base_url=SERVICE, trust_env=True).get(ORGANIZATION, KEY_ID)
    assert caught.value.sent is False
    assert_ours(caught.value)
    assert server.heads[0].startswith(b"CONNECT service.example:443 ")
    assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in server.heads[0]
    assert TOKEN.encode() not in server.heads[0]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://", "http://[::1", "https://proxy:1"])
def test_a_proxy_that_cannot_be_used_is_refused_at_once(environment: pytest.MonkeyPatch, proxy: str) -> None:
    environment.setenv("https_proxy", proxy)
    with pytest.raises(ConfigurationError, match="the environment's proxy for https can't be used"):
        AccessKeysClient(TOKEN, trust_env=True)
    with pytest.raises(ConfigurationError, match=r"^proxy can't be used"):
        AccessKeysClient(TOKEN, proxy=proxy)


async def test_a_proxy_that_is_not_there_sent_nothing(
    make_client: MakeClient, server: RawServer, environment: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    environment.setenv("https_proxy", f"http://user:word@127.0.0.1:{unused_tcp_port}")
    with pytest.raises(APIConnectionError) as caught:
        await make_client(base_url=SERVICE, trust_env=True).get(ORGANIZATION, KEY_ID)
    assert caught.value.sent is False
    assert "word" not in str(caught.value)
    assert_ours(caught.value)


async def test_a_netrc_file_has_no_say(
    make_client: MakeClient, server: RawServer, environment: pytest.MonkeyPatch
) -> None:
    await make_client(trust_env=True).get(ORGANIZATION, KEY_ID)
    assert f"Authorization: AccessKey {TOKEN}".encode() in server.heads[0]


async def test_a_create_whose_connection_broke_is_not_sent_again(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client(retry=RetryPolicy(max_retries=3, base_delay=0))
    server.play(answer(), Scripted(then="reset"))
    await client.get(ORGANIZATION, KEY_ID)
    with pytest.raises(CreateOutcomeUnknownError) as caught:
        await client.create(ORGANIZATION, name="a", description="b")
    assert_ours(caught.value)
    assert sum(head.startswith(b"POST") for head in server.heads) == 1


async def test_a_client_closed_while_its_token_is_waited_for_sends_nothing(
    make_client: MakeClient, server: RawServer
) -> None:
    async def ask() -> str:
        await client.aclose()
        return TOKEN

    client = make_client(token=ask)
    with pytest.raises(ClientClosedError):
        await client.get(ORGANIZATION, KEY_ID)
    assert server.connections == 0


async def test_an_aiohttp_without_the_switch_is_kept_from_sending_twice_as_well(
    make_client: MakeClient, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings(action="ignore"):  # aiohttp discourages such classes

        class Switchless(aiohttp.ClientSession):
            def __getattribute__(self, name: str) -> object:
                if name == "_retry_connection" and sys._getframe(1).f_globals["__name__"] != "aiohttp.client":
                    raise AttributeError(name)
                return super().__getattribute__(name)

    monkeypatch.setattr(aiohttp, "ClientSession", Switchless)
    server.play(Scripted(then="reset"))
    client = make_client(retry=RetryPolicy(max_retries=0))
    with pytest.raises(APIConnectionError, match="Connection reset by peer"):
        await client.get(ORGANIZATION, KEY_ID)
    assert len(server.heads) == 1
