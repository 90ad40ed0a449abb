"""A sink for the KV secrets engine, version 2, of HashiCorp Vault and OpenBao."""

from http import HTTPStatus
from uuid import UUID

import aiohttp

from accesskeys_async.rotation import Delivery, SinkError, SinkUnsureError

ROUNDS = 3


class VaultSink:
    """Write the token of one key to one field of a secret, and keep its other fields.

    Writes use check-and-set, so that no concurrent change is lost. `session` has Vault's address as its base
    URL, and `X-Vault-Token` in its headers.
    """

    def __init__(
        self, session: aiohttp.ClientSession, path: str, *, mount: str = "secret", field: str = "token"
    ) -> None:
        self._session = session
        self._url = f"/v1/{mount}/data/{path}"
        self._field = field

    async def __call__(self, delivery: Delivery) -> None:
        for _ in range(ROUNDS):
            fields, version = await self._read()
            if await self._write(delivery, fields, version):
                return
        raise SinkError(f"{self._url} was changed by others during each of {ROUNDS} attempts")

    def target(self, replaces: UUID) -> str:  # noqa: ARG002 - the same for each key
        """Return the field's name, so that no second key is delivered to the same field."""
        return f"vault:{self._url}#{self._field}"

    async def _read(self) -> tuple[dict[str, object], int]:
        """Return the secret's fields and version; no fields and 0 if there is no secret."""
        try:
            async with self._session.get(self._url) as response:
                body = await response.json()
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SinkError(f"{self._url} can't be read: {type(error).__name__}") from None
        if status == HTTPStatus.OK:
            return body["data"]["data"], body["data"]["metadata"]["version"]
        if status == HTTPStatus.NOT_FOUND:
            # A deleted secret still has metadata, and its versions continue from there.
            metadata = (body.get("data") or {}).get("metadata") or {}
            return {}, metadata.get("version", 0)
        raise SinkError(f"{self._url} can't be read: {status}")

    async def _write(self, delivery: Delivery, fields: dict[str, object], version: int) -> bool:
        """Write, and return whether the secret still had that version."""
        try:
            async with self._session.post(
                self._url,
                json={
                    "data": fields | {self._field: delivery.token.reveal()},
                    "options": {"cas": version},
                },
            ) as response:
                body = await response.json(content_type=None)
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SinkUnsureError(f"{self._url} may be written, or not: {type(error).__name__}") from None
        if status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            return True
        if status == HTTPStatus.BAD_REQUEST and "check-and-set" in str(body):
            return False
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise SinkError(f"{self._url} was not written: {status}")
        raise SinkUnsureError(f"{self._url} may be written, or not: {status}")
