"""A sink for the KV secrets engine, version 2, of HashiCorp Vault and OpenBao."""

from http import HTTPStatus
from uuid import UUID

import aiohttp

from accesskeys_async.rotation import Delivery, SinkError, SinkUnsureError

ROUNDS = 3


class VaultSink:
    """Put the token of one key into one field of a secret, and leave its other fields as they are.

    Written with check-and-set, so that nobody else's change is lost. `session` has Vault's address as its
    base URL and `X-Vault-Token` among its headers.
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
        raise SinkError(f"{self._url} is being changed by somebody else all the time")

    def target(self, replaces: UUID) -> str:  # noqa: ARG002 - one place, whatever the key
        """Name the field, so that a second key is never given the same one."""
        return f"vault:{self._url}#{self._field}"

    async def _read(self) -> tuple[dict[str, object], int]:
        """Return the secret's fields and version; none, and 0, where there is no secret."""
        try:
            async with self._session.get(self._url) as reply:
                answer = await reply.json()
                status = reply.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SinkError(f"{self._url} can't be read: {type(error).__name__}") from None
        if status == HTTPStatus.OK:
            return answer["data"]["data"], answer["data"]["metadata"]["version"]
        if status == HTTPStatus.NOT_FOUND:
            # A secret that was deleted has metadata still, and counts on from there.
            metadata = (answer.get("data") or {}).get("metadata") or {}
            return {}, metadata.get("version", 0)
        raise SinkError(f"{self._url} can't be read: {status}")

    async def _write(self, delivery: Delivery, fields: dict[str, object], version: int) -> bool:
        """Write, and tell whether the secret still had that version."""
        try:
            async with self._session.post(
                self._url,
                json={
                    "data": fields | {self._field: delivery.token.reveal()},
                    "options": {"cas": version},
                },
            ) as reply:
                answer = await reply.json(content_type=None)
                status = reply.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SinkUnsureError(f"{self._url} may be written, or not: {type(error).__name__}") from None
        if status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            return True
        if status == HTTPStatus.BAD_REQUEST and "check-and-set" in str(answer):
            return False
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise SinkError(f"{self._url} was not written: {status}")
        raise SinkUnsureError(f"{self._url} may be written, or not: {status}")
