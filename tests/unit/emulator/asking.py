"""What the emulator's tests ask with, and its types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import aiohttp
import attrs

from accesskeys_async.emulator import Emulator, StoredRole

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SendRaw: TypeAlias = Callable[[bytes], Awaitable[bytes]]
Arrived: TypeAlias = Callable[[], Awaitable[None]]


@attrs.frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> set[str]:
        return set(self.json["details"])


class Ask(Protocol):
    """Ask for a path of the control API."""

    async def __call__(self, method: str, path: str, **options: Any) -> Answer: ...


class Send(Protocol):
    """Send one request on a connection of its own, which no client library can resend."""

    async def __call__(self, method: str = "GET", path: str = "", body: bytes = b"") -> bytes: ...


@attrs.define
class Api:
    """Asks an emulator over a real socket, as its first organization unless told otherwise."""

    emulator: Emulator
    session: aiohttp.ClientSession

    @property
    def keys_path(self) -> str:
        return f"/organizations/{self.emulator.organization_id}/access-keys"

    async def ask(
        self, method: str, path: str | None = None, *, token: str | None = None, **options: Any
    ) -> Answer:
        headers = {"Authorization": f"AccessKey {token or self.emulator.token}", **options.pop("headers", {})}
        url = self.emulator.base_url + (self.keys_path if path is None else path)
        async with self.session.request(method, url, headers=headers, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def list(self, **params: str) -> Answer:
        return await self.ask("GET", params=params)

    @property
    def roles(self) -> dict[str, StoredRole]:
        """The roles of the first organization by their names."""
        return {role.name: role for role in self.emulator.roles(self.emulator.organization_id)}

    async def create(self, name: str = "ci", description: str = "deploys", **more: Any) -> Answer:
        return await self.ask("POST", json={"name": name, "description": description, **more})
