"""What others would use, in the peers' environment: generated clients, and what is put together by hand.

The packages are there alone, and two of them are generated there, so that no type checker of this project
sees them: each is imported when its contestant enters. Each client is left at its defaults.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from types import GenericAlias
from typing import Any, Final
from uuid import UUID

import orjson

from benchmarks.reading import Contestant, PageReader, Reader
from benchmarks.static_server import PAGE_SIZE, Target

__all__ = ["CONTESTANTS", "GENERATED_BY_GENERATOR", "GENERATED_BY_PYTHON_CLIENT"]

GENERATED_BY_GENERATOR: Final = "generated_asyncio_client"
GENERATED_BY_PYTHON_CLIENT: Final = "generated_httpx_client"


class PeerReader(PageReader):
    """A client whose pages and keys are objects, by functions that read one page and one key."""

    def __init__(
        self, fetch_page: Callable[[str | None], Awaitable[Any]], fetch_key: Callable[[str], Awaitable[Any]]
    ) -> None:
        self._fetch_page = fetch_page
        self._fetch_key = fetch_key

    async def count_page(self, page_token: str | None) -> tuple[int, str | None]:
        page = await self._fetch_page(page_token)
        count = 0
        for key in page.results:
            if key.name:
                count += 1
        return count, page.next_page_token or None

    async def get(self, key_id: str) -> None:
        key = await self._fetch_key(key_id)
        if not key.name:
            raise ValueError("the key has no name")


class DictPeerReader(PageReader):
    """A client whose pages and keys are dicts."""

    def __init__(self, fetch: Callable[[str, dict[str, str]], Awaitable[bytes]], path: str) -> None:
        self._fetch = fetch
        self._path = path

    async def count_page(self, page_token: str | None) -> tuple[int, str | None]:
        page = orjson.loads(await self._fetch(self._path, _query(page_token)))
        count = 0
        for key in page["results"]:
            if key["name"]:
                count += 1
        return count, page.get("nextPageToken")

    async def get(self, key_id: str) -> None:
        orjson.loads(await self._fetch(f"{self._path}/{key_id}", {}))


def _path(target: Target) -> str:
    return f"/organizations/{target.organization_id}/access-keys"


def _query(page_token: str | None) -> dict[str, str]:
    query = {"limit": str(PAGE_SIZE)}
    if page_token is not None:
        query["pageToken"] = page_token
    return query


def _headers(target: Target) -> dict[str, str]:
    return {"Authorization": f"AccessKey {target.token}"}


def _make_models(parent: Any) -> tuple[Any, Any]:
    """Make pydantic models of a key and of a page, as children of a model class."""
    pydantic: Any = importlib.import_module("pydantic")
    camel: Any = importlib.import_module("pydantic.alias_generators").to_camel
    base = type(
        "Model",
        (parent,),
        {"model_config": pydantic.ConfigDict(alias_generator=camel), "__module__": __name__},
    )
    role_ref = pydantic.create_model(
        "RoleRef",
        __base__=base,
        id=(UUID, ...),
        type=(str | None, None),
        workspaces=(list[UUID] | None, None),
    )
    definition = pydantic.create_model(
        "PolicyDefinition",
        __base__=base,
        effect=(str | None, None),
        resources=(list[str] | None, None),
        actions=(list[str] | None, None),
        conditions_all=(list[Any] | None, None),
    )
    policy = pydantic.create_model(
        "Policy",
        __base__=base,
        id=(UUID, ...),
        name=(str | None, None),
        description=(str | None, None),
        definitions=(GenericAlias(list, definition) | None, None),
        scope=(str | None, None),
        type=(str | None, None),
    )
    role = pydantic.create_model(
        "Role",
        __base__=base,
        id=(UUID, ...),
        organization_id=(UUID | None, None),
        name=(str | None, None),
        description=(str | None, None),
        type=(str | None, None),
        policies=(GenericAlias(list, policy) | None, None),
    )
    key = pydantic.create_model(
        "AccessKey",
        __base__=base,
        id=(UUID, ...),
        organization_id=(UUID, ...),
        name=(str, ...),
        suffix=(str, ...),
        created_at=(datetime, ...),
        type=(str | None, None),
        description=(str | None, None),
        last_used_at=(datetime | None, None),
        updated_at=(datetime | None, None),
        role_ids=(list[str] | None, None),
        role_refs=(GenericAlias(list, role_ref) | None, None),
        roles=(GenericAlias(list, role) | None, None),
    )
    page = pydantic.create_model(
        "AccessKeyPage",
        __base__=base,
        results=(GenericAlias(list, key), ...),
        next_page_token=(str | None, None),
    )
    return key, page


@asynccontextmanager
async def open_retrying_aiohttp(target: Target) -> AsyncGenerator[Reader]:
    """Open aiohttp-retry over bare aiohttp, to dicts."""
    aiohttp_retry: Any = importlib.import_module("aiohttp_retry")
    async with aiohttp_retry.RetryClient(headers=_headers(target)) as session:

        async def fetch(path: str, query: dict[str, str]) -> bytes:
            async with session.get(target.base_url + path, params=query) as reply:
                body: bytes = await reply.read()
                return body

        yield DictPeerReader(fetch, _path(target))


@asynccontextmanager
async def open_httpx(target: Target) -> AsyncGenerator[Reader]:
    """Open httpx, with pydantic models."""
    httpx: Any = importlib.import_module("httpx")
    pydantic: Any = importlib.import_module("pydantic")
    key, page = _make_models(pydantic.BaseModel)
    path = _path(target)
    async with httpx.AsyncClient(base_url=target.base_url, headers=_headers(target)) as client:

        async def fetch_page(page_token: str | None) -> Any:
            return page.model_validate_json((await client.get(path, params=_query(page_token))).content)

        async def fetch_key(key_id: str) -> Any:
            return key.model_validate_json((await client.get(f"{path}/{key_id}")).content)

        yield PeerReader(fetch_page, fetch_key)


@asynccontextmanager
async def open_vendor_runtime(target: Target) -> AsyncGenerator[Reader]:
    """Open the runtime that vendors' generated SDKs share, as the `openai` package ships it."""
    openai: Any = importlib.import_module("openai")
    key, page = _make_models(openai.BaseModel)
    path = _path(target)
    client = openai.AsyncOpenAI(
        base_url=target.base_url, api_key=target.token, default_headers=_headers(target)
    )
    async with client:

        async def fetch_page(page_token: str | None) -> Any:
            return await client.get(path, cast_to=page, options={"params": _query(page_token)})

        async def fetch_key(key_id: str) -> Any:
            return await client.get(f"{path}/{key_id}", cast_to=key)

        yield PeerReader(fetch_page, fetch_key)


@asynccontextmanager
async def open_generator_client(target: Target) -> AsyncGenerator[Reader]:
    """Open what openapi-generator makes of the contract, its asyncio client."""
    generated: Any = importlib.import_module(GENERATED_BY_GENERATOR)
    configuration = generated.Configuration(
        host=target.base_url,
        api_key={"accessKey": target.token},
        api_key_prefix={"accessKey": "AccessKey"},
    )
    async with generated.ApiClient(configuration) as client:
        api = generated.DefaultApi(client)

        async def fetch_page(page_token: str | None) -> Any:
            return await api.list_access_keys(
                organization_id=target.organization_id, limit=PAGE_SIZE, page_token=page_token
            )

        async def fetch_key(key_id: str) -> Any:
            return await api.get_access_key(
                organization_id=target.organization_id, access_key_id=UUID(key_id)
            )

        yield PeerReader(fetch_page, fetch_key)


@asynccontextmanager
async def open_python_client(target: Target) -> AsyncGenerator[Reader]:
    """Open what openapi-python-client makes of the contract."""
    generated: Any = importlib.import_module(GENERATED_BY_PYTHON_CLIENT)
    unset: Any = importlib.import_module(f"{GENERATED_BY_PYTHON_CLIENT}.types").UNSET
    operations = f"{GENERATED_BY_PYTHON_CLIENT}.api.default"
    list_access_keys: Any = importlib.import_module(f"{operations}.list_access_keys")
    get_access_key: Any = importlib.import_module(f"{operations}.get_access_key")
    client = generated.AuthenticatedClient(target.base_url, token=target.token, prefix="AccessKey")
    async with client:

        async def fetch_page(page_token: str | None) -> Any:
            return await list_access_keys.asyncio(
                target.organization_id,
                client=client,
                limit=PAGE_SIZE,
                page_token=unset if page_token is None else page_token,
            )

        async def fetch_key(key_id: str) -> Any:
            return await get_access_key.asyncio(target.organization_id, UUID(key_id), client=client)

        yield PeerReader(fetch_page, fetch_key)


CONTESTANTS: Final[Mapping[str, Contestant]] = {
    "aiohttp-retry": open_retrying_aiohttp,
    "httpx": open_httpx,
    "vendor-runtime": open_vendor_runtime,
    "openapi-generator": open_generator_client,
    "openapi-python-client": open_python_client,
}
