"""A sink for AWS Secrets Manager, over aiobotocore."""

from aiobotocore.client import AioBaseClient  # type: ignore[import-untyped]  # it ships no types
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # nor this

from accesskeys_async.rotation import Delivery, SinkError, SinkUnsureError


class SecretsManagerSink:
    """Put the token into a secret as its current version; the secret is made where there is none.

    The new key's id is the version's id, so that the same delivery twice makes one version.
    """

    def __init__(self, client: AioBaseClient, secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    async def __call__(self, delivery: Delivery) -> None:
        version = str(delivery.key.id)
        try:
            try:
                await self._put(delivery, version)
            except self._client.exceptions.ResourceNotFoundException:
                await self._client.create_secret(
                    Name=self._secret_id, SecretString=delivery.token.reveal(), ClientRequestToken=version
                )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise SinkError(f"{self._secret_id} was not written: {code}") from None
            raise SinkUnsureError(f"{self._secret_id} may be written, or not: {code}") from None
        except BotoCoreError as error:
            told = type(error).__name__
            raise SinkUnsureError(f"{self._secret_id} may be written, or not: {told}") from None

    async def _put(self, delivery: Delivery, version: str) -> None:
        await self._client.put_secret_value(
            SecretId=self._secret_id, SecretString=delivery.token.reveal(), ClientRequestToken=version
        )
