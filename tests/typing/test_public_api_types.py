"""A file of API use that mypy --strict and pyright check; little of it is run."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from typing import assert_type
from uuid import UUID

from aiohttp import ClientSession

from accesskeys_async import (
    UNSET,
    AccessKey,
    AccessKeyPage,
    AccessKeysClient,
    AccessKeysError,
    APIConnectionError,
    APIStatusError,
    Attempt,
    AttemptFinished,
    CallFinished,
    CallStarted,
    CreatedAccessKey,
    CreateOutcomeUnknownError,
    DeadlineExceededError,
    Event,
    Hook,
    InvalidRequestError,
    Listing,
    Middleware,
    Next,
    RedirectError,
    Request,
    Response,
    RetryBudget,
    RetryPolicy,
    SharedPause,
    Throttle,
    Timeout,
    Token,
    Unset,
    WaitStarted,
)


async def fetch_token() -> str:
    return "text"


async def fetch_masked_token() -> Token:
    return Token("text")


def tell(event: Event) -> None:
    match event:
        case CallStarted(request):
            assert_type(request, Request)
        case AttemptFinished(request, attempt):
            assert_type(attempt, Attempt)
        case WaitStarted(request, attempt_number, seconds, reason):
            assert_type((attempt_number, seconds, reason), tuple[int, float, str])
        case CallFinished(request, elapsed, response, error):
            assert_type(response, Response | None)
            assert_type(error, AccessKeysError | None)
            assert_type(elapsed, float)


async def add_nothing(request: Request, call_next: Next) -> Response:
    return await call_next(request)


def make_clients(session: ClientSession, throttle: Throttle) -> list[AccessKeysClient]:
    middleware: Middleware = add_nothing
    hook: Hook = tell
    return [
        AccessKeysClient(),
        AccessKeysClient("text"),
        AccessKeysClient(Token("text")),
        AccessKeysClient(fetch_token),
        AccessKeysClient(fetch_masked_token),
        AccessKeysClient(
            None,
            base_url="https://api.example",
            session=session,
            timeout=Timeout(connect=None, attempt=1.5),
            deadline=None,
            retry=RetryPolicy(max_retries=0, budget=RetryBudget(capacity=10, refund=0.5)),
            max_concurrency=1,
            throttle=throttle,
            max_response_bytes=1,
            max_empty_pages=10,
            middlewares=[middleware],
            hooks=(hook, print),
            ssl=Path("bundle.pem"),
            trust_env=True,
            proxy="http://proxy:3128",
        ),
        AccessKeysClient(ssl=ssl.create_default_context(), throttle=SharedPause(default=1)),
    ]


async def use_every_operation(client: AccessKeysClient, org: str, key_id: UUID) -> None:
    async with client as same:
        assert_type(same, AccessKeysClient)
    assert_type(await client.get(org, key_id), AccessKey)
    assert_type(await client.create(org, name="n", description="d"), CreatedAccessKey)
    assert_type(
        await client.create(key_id, name="n", description="d", role_ids=[org, key_id]), CreatedAccessKey
    )
    assert_type(await client.create(org, name="n", description="d", recover=True, settle=1), CreatedAccessKey)
    assert_type(await client.update(org, key_id, name=UNSET, description="d", role_ids=UNSET), AccessKey)
    assert_type(await client.reap(org, "0123456789abcdef"), tuple[AccessKey, ...])
    await client.delete(org, str(key_id), missing_ok=True, expect_suffix="AbCdEf", allow_self=True)
    await client.aclose()

    clone = client.with_options(deadline=5.0, token="text", hooks=[tell], retry=RetryPolicy())
    assert_type(clone, AccessKeysClient)
    client.with_options(colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] # no such option
    client.with_options(deadline="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # not seconds
    await client.get(7, key_id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # no id


async def use_listings(client: AccessKeysClient, org: UUID) -> None:
    listing = client.list(org, limit=10, reverse=True, page_token=None, prefetch=0)
    assert_type(listing, Listing)
    async for key in listing:
        assert_type(key, AccessKey)
    async for page in listing.pages():
        assert_type(page, AccessKeyPage)
        assert_type([key.id for key in page], list[UUID])
        assert_type(page.next_page_token, str | None)
    assert_type(listing.keys(), AsyncGenerator[AccessKey, None])
    assert_type(await listing.first(), AccessKey | None)
    assert_type(await listing.collect(max_items=5), list[AccessKey])
    assert_type((listing.cursor, listing.complete, listing.duplicates), tuple[str | None, bool, int])


async def use_raw(client: AccessKeysClient, org: str, key_id: str) -> None:
    response = await client.raw.get(org, key_id)
    assert_type(response, Response)
    assert_type((response.status, response.body, response.elapsed), tuple[int, bytes, float])
    assert_type(response.headers["Date"], str)
    assert_type(response.attempts, tuple[Attempt, ...])
    assert_type(await client.raw.list(org, limit=1), Response)
    assert_type(await client.raw.create(org, name="n", description="d"), Response)
    assert_type(await client.raw.update(org, key_id, name="n"), Response)
    assert_type(await client.raw.delete(org, key_id), Response)


def read_a_key(key: AccessKey, created: CreatedAccessKey) -> None:
    assert_type((key.id, key.organization_id), tuple[UUID, UUID])
    assert_type((key.name, key.suffix), tuple[str, str])
    assert_type(key.created_at, datetime)
    assert_type(key.type, str | Unset | None)
    assert_type(key.last_used_at, datetime | Unset | None)
    assert_type(key.role_ids, tuple[str, ...] | Unset | None)
    if key.last_used_at:
        assert_type(key.last_used_at, datetime)
    if key.description is not UNSET:
        assert_type(key.description, str | None)
    assert_type(created.token, Token)
    assert_type(created.token.reveal(), str)
    key.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue] # frozen


def read_an_error(error: AccessKeysError) -> None:
    assert_type((error.attempts, error.cursor), tuple[tuple[Attempt, ...], str | None])
    if isinstance(error, APIStatusError):
        assert_type((error.status, error.code, error.message), tuple[int, str | None, str | None])
        assert_type(error.details, object)
        assert_type(error.retry_after, float | None)
    if isinstance(error, RedirectError):
        assert_type(error.location, str | None)
    if isinstance(error, CreateOutcomeUnknownError):
        assert_type((error.nonce, error.candidates), tuple[str | None, tuple[AccessKey, ...]])
    if isinstance(error, DeadlineExceededError):
        assert_type(error.last, object)
    if isinstance(error, InvalidRequestError):
        assert_type(error.argument, str)
    if isinstance(error, APIConnectionError) and error.sent is not False:
        assert_type(error.sent, None)


class EveryOther:
    """A throttle of one's own needs no base class."""

    async def acquire(self, request: Request) -> None: ...

    def pause(self, request: Request) -> float:
        return 0.0

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None: ...


def test_a_throttle_of_one_s_own_is_taken() -> None:
    throttle: Throttle = EveryOther()
    assert repr(AccessKeysClient("a-token", throttle=throttle)).endswith("open>")
