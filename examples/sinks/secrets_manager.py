"""A sink for AWS Secrets Manager, over aiobotocore."""

from typing import Protocol
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # it ships no types

from accesskeys_async.rotation import Delivery, SinkError, SinkUnsureError


class SecretsManager(Protocol):
    """The methods of aiobotocore's client that the sink uses."""

    async def put_secret_value(self, **parameters: str) -> object: ...

    async def create_secret(self, **parameters: str) -> object: ...


class SecretsManagerSink:
    """Write the token of one key to a secret as its current version, and create a missing secret.

    The new key's id is the version's id, so that a repeated delivery creates one version.
    """

    def __init__(self, client: SecretsManager, secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    async def __call__(self, delivery: Delivery) -> None:
        try:
            await self._store(delivery)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise SinkError(f"{self._secret_id} was not written: {code}") from None
            raise SinkUnsureError(f"{self._secret_id} may be written, or not: {code}") from None
        except BotoCoreError as error:
            kind = type(error).__name__
            raise SinkUnsureError(f"{self._secret_id} may be written, or not: {kind}") from None

    def target(self, replaces: UUID) -> str:  # noqa: ARG002 - the same for each key
        """Return the secret's name, so that no second key is delivered to the same secret."""
        return f"secretsmanager:{self._secret_id}"

    async def _store(self, delivery: Delivery) -> None:
        version = str(delivery.key.id)
        try:
            await self._client.put_secret_value(
                SecretId=self._secret_id, SecretString=delivery.token.reveal(), ClientRequestToken=version
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            await self._client.create_secret(
                Name=self._secret_id, SecretString=delivery.token.reveal(), ClientRequestToken=version
            )
