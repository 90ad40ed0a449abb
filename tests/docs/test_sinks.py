"""The sinks in examples keep a token: in Secrets Manager as moto serves it, and in Vault's wire format."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # it ships no types
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it ships no types
from aiohttp import web
from aiohttp.test_utils import TestServer
from moto.server import ThreadedMotoServer

from accesskeys_async import CreatedAccessKey, Token
from accesskeys_async.rotation import Delivery, SinkError, SinkUnsureError
from examples.sinks.secrets_manager import SecretsManagerSink
from examples.sinks.vault import VaultSink


def _deliver(number: int = 7, *, attempt: int = 1) -> Delivery:
    token = f"rotatedTokenABCDEFGHIJKLMNOPQRSTUV{number:02d}"
    key = CreatedAccessKey(
        id=UUID(int=number),
        organization_id=UUID(int=100),
        name="ci",
        suffix=token[-6:],
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        token=Token(token),
    )
    return Delivery(rotation_id=UUID(int=1), replaces=UUID(int=6), attempt=attempt, key=key)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_each_secret_and_field_is_a_target_of_its_own() -> None:
    session: Any = None
    sinks = (
        SecretsManagerSink(session, "one"),
        SecretsManagerSink(session, "two"),
        VaultSink(session, "one"),
        VaultSink(session, "one", field="other"),
        VaultSink(session, "one", mount="kv"),
    )
    assert len({sink.target(UUID(int=6)) for sink in sinks}) == len(sinks)
    assert all(sink.target(UUID(int=6)) == sink.target(UUID(int=7)) for sink in sinks)


class TestSecretsManager:
    @pytest.fixture
    async def secrets(self, endpoint: str) -> AsyncIterator[Any]:
        async with get_session().create_client(
            "secretsmanager",
            region_name="eu-west-1",
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=AioConfig(retries={"total_max_attempts": 1}, connect_timeout=5),
        ) as client:
            yield client

    async def test_a_missing_secret_is_created(self, secrets: Any) -> None:
        await SecretsManagerSink(secrets, "created")(_deliver())

        kept = await secrets.get_secret_value(SecretId="created")
        assert kept["SecretString"] == _deliver().token.reveal()
        assert kept["VersionId"] == str(UUID(int=7))

    async def test_the_last_delivery_is_the_current_version(self, secrets: Any) -> None:
        await secrets.create_secret(Name="old", SecretString="before")
        sink = SecretsManagerSink(secrets, "old")

        for delivery in (_deliver(8), _deliver(9, attempt=2), _deliver(9, attempt=2)):
            await sink(delivery)

        kept = await secrets.get_secret_value(SecretId="old")
        assert kept["SecretString"] == _deliver(9).token.reveal()
        versions = await secrets.list_secret_version_ids(SecretId="old", IncludeDeprecated=True)
        ids = [version["VersionId"] for version in versions["Versions"]]
        assert ids.count(str(UUID(int=9))) == 1

    async def test_a_refusal_is_a_no(self, secrets: Any) -> None:
        version = {"SecretString": "another", "ClientRequestToken": str(UUID(int=7))}
        await secrets.create_secret(Name="taken", **version)

        with pytest.raises(SinkError, match="taken was not written: ResourceExistsException"):
            await SecretsManagerSink(secrets, "taken")(_deliver())

    async def test_a_service_that_is_not_there_may_have_taken_it(self) -> None:
        async with get_session().create_client(
            "secretsmanager",
            region_name="eu-west-1",
            endpoint_url="http://127.0.0.1:1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=AioConfig(retries={"total_max_attempts": 1}),
        ) as client:
            with pytest.raises(SinkUnsureError, match="may be written, or not: EndpointConnectionError"):
                await SecretsManagerSink(client, "any")(_deliver())


class KeyValueEngine:
    """A server that speaks the wire format of Vault's KV secrets engine, version 2."""

    def __init__(self) -> None:
        self.versions: list[dict[str, Any] | None] = []
        self.statuses: list[int] = []
        self.others_write_first = 0

    def make_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/{mount}/data/{path:.+}", self.read)
        app.router.add_post("/v1/{mount}/data/{path:.+}", self.write)
        return app

    async def read(self, request: web.Request) -> web.Response:
        self._check(request)
        if not self.versions:
            return web.json_response({"errors": []}, status=404)
        metadata = {"version": len(self.versions), "destroyed": False, "deletion_time": ""}
        data = self.versions[-1]
        body = {"request_id": "r", "lease_id": "", "data": {"data": data, "metadata": metadata}}
        return web.json_response(body, status=404 if data is None else 200)

    async def write(self, request: web.Request) -> web.Response:
        self._check(request)
        if self.statuses:
            return web.json_response({"errors": ["scripted"]}, status=self.statuses.pop(0))
        body = json.loads(await request.text())
        if self.others_write_first:
            self.others_write_first -= 1
            self.versions.append({"other": "theirs"})
        if body["options"]["cas"] != len(self.versions):
            reason = "check-and-set parameter did not match the current version"
            return web.json_response({"errors": [reason]}, status=400)
        self.versions.append(body["data"])
        return web.json_response({"data": {"version": len(self.versions), "destroyed": False}})

    def _check(self, request: web.Request) -> None:
        if request.headers.get("X-Vault-Token") != "test-vault-token":
            raise web.HTTPForbidden(text='{"errors":["permission denied"]}', content_type="application/json")


class TestVault:
    @pytest.fixture
    def engine(self) -> KeyValueEngine:
        return KeyValueEngine()

    @pytest.fixture
    async def server(self, engine: KeyValueEngine) -> AsyncIterator[TestServer]:
        server = TestServer(engine.make_app())
        async with server:
            yield server

    @pytest.fixture
    async def vault(self, server: TestServer) -> AsyncIterator[aiohttp.ClientSession]:
        headers = {"X-Vault-Token": "test-vault-token"}
        async with aiohttp.ClientSession(str(server.make_url("/")), headers=headers) as session:
            yield session

    async def test_the_token_is_one_field_among_others(
        self, engine: KeyValueEngine, vault: aiohttp.ClientSession
    ) -> None:
        engine.versions = [{"user": "ci", "token": "old"}]

        await VaultSink(vault, "apps/ci")(_deliver())

        assert engine.versions[-1] == {"user": "ci", "token": _deliver().token.reveal()}

    @pytest.mark.parametrize("versions", [[], [{"token": "old"}, None]])
    async def test_a_missing_secret_is_created(
        self, engine: KeyValueEngine, vault: aiohttp.ClientSession, versions: list[dict[str, Any] | None]
    ) -> None:
        engine.versions = versions

        await VaultSink(vault, "apps/ci")(_deliver())

        assert engine.versions[-1] == {"token": _deliver().token.reveal()}

    async def test_a_change_of_somebody_else_is_not_lost(
        self, engine: KeyValueEngine, vault: aiohttp.ClientSession
    ) -> None:
        engine.others_write_first = 1

        await VaultSink(vault, "apps/ci")(_deliver())

        assert engine.versions[-1] == {"other": "theirs", "token": _deliver().token.reveal()}

    async def test_a_secret_that_never_rests_is_a_no(
        self, engine: KeyValueEngine, vault: aiohttp.ClientSession
    ) -> None:
        engine.others_write_first = 100

        with pytest.raises(SinkError, match="changed by others during each of 3 attempts"):
            await VaultSink(vault, "apps/ci")(_deliver())

    async def test_a_wrong_vault_token_is_a_no(self, server: TestServer) -> None:
        async with aiohttp.ClientSession(str(server.make_url("/"))) as session:
            with pytest.raises(SinkError, match="can't be read: 403"):
                await VaultSink(session, "apps/ci")(_deliver())

    @pytest.mark.parametrize(("status", "kind"), [(412, SinkError), (500, SinkUnsureError)])
    async def test_a_failed_write_is_a_no_or_unknown(
        self, engine: KeyValueEngine, vault: aiohttp.ClientSession, status: int, kind: type[Exception]
    ) -> None:
        engine.statuses = [status]

        with pytest.raises(kind, match=str(status)):
            await VaultSink(vault, "apps/ci")(_deliver())

    async def test_a_vault_that_is_not_there_has_taken_nothing(self) -> None:
        async with aiohttp.ClientSession("http://127.0.0.1:1/") as session:
            with pytest.raises(SinkError, match="can't be read: ClientConnectorError"):
                await VaultSink(session, "apps/ci")(_deliver())
