from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from accesskeys_async import (
    AccessKey,
    AccessKeysClient,
    APIConnectionError,
    AttemptFinished,
    CallFinished,
    CallStarted,
    ClientClosedError,
    ConfigurationError,
    DeadlineExceededError,
    Event,
    Next,
    Request,
    Response,
    RetryBudget,
    RetryPolicy,
    ServerError,
    Timeout,
    Token,
    WaitStarted,
)
from accesskeys_async._contract.writing import dump_key
from tests.conftest import MockedAPI
from tests.unit.conftest import BASE_URL, TOKEN

KEY = UUID(int=1)
MakeClient = Callable[..., AccessKeysClient]


@pytest.fixture
def url(organization_id: UUID) -> str:
    return f"{BASE_URL}/organizations/{organization_id}/access-keys/{KEY}"


@pytest.fixture
def row(make_key: Callable[..., AccessKey]) -> dict[str, Any]:
    return dump_key(make_key())


async def pass_on(request: Request, call_next: Next) -> Response:
    return await call_next(request)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESSKEYS_TOKEN", "ACCESSKEYS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


async def test_token_and_address_come_from_the_environment_where_they_are_not_given(
    monkeypatch: pytest.MonkeyPatch, mocked_api: MockedAPI, organization_id: UUID, row: Any
) -> None:
    path = f"/organizations/{organization_id}/access-keys/{KEY}"
    monkeypatch.setenv("ACCESSKEYS_TOKEN", " from-the-environment\n")
    monkeypatch.setenv("ACCESSKEYS_BASE_URL", "https://environment.example/v1/")
    cases = [
        (AccessKeysClient(), "https://environment.example/v1", "from-the-environment"),
        (AccessKeysClient("given", base_url=BASE_URL), BASE_URL, "given"),
    ]
    monkeypatch.delenv("ACCESSKEYS_BASE_URL")
    cases.append((AccessKeysClient(), "https://api.bird.com", "from-the-environment"))
    for client, address, token in cases:
        mocked_api.get(address + path, payload=row)
        async with client:
            await client.get(organization_id, KEY)
        assert address in repr(client)
        sent = mocked_api.requests["GET", aiohttp.client.URL(address + path)][0].kwargs
        assert sent["headers"]["Authorization"] == f"AccessKey {token}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": None}, "there is no token; pass one, or set ACCESSKEYS_TOKEN"),
        ({"token": ""}, "the token is empty"),
        ({"token": "a b"}, "the token of 3 characters can't stand in a header"),
        ({"base_url": ""}, "base_url is ''"),
        ({"base_url": "http://api.example"}, "http sends the token unencrypted"),
        ({"deadline": 0}, "deadline is 0; it takes more than 0, or None for no bound"),
        ({"deadline": -1.5}, "deadline is -1.5"),
        ({"deadline": float("nan")}, "deadline is nan"),
        ({"max_response_bytes": 0}, "max_response_bytes is 0"),
        ({"max_response_bytes": None}, "max_response_bytes is None; it takes a whole number above 0"),
        ({"max_response_bytes": 1.5}, "max_response_bytes is 1.5; it takes a whole number"),
        ({"max_empty_pages": 0}, "max_empty_pages is 0; it takes a whole number above 0"),
        ({"max_empty_pages": None}, "max_empty_pages is None"),
        ({"max_empty_pages": True}, "max_empty_pages is of type bool"),
        ({"max_concurrency": 0}, "max_concurrency is 0; it takes 1 or more"),
        ({"ssl": "/no/such/bundle.pem"}, "ssl is '/no/such/bundle.pem', which can't be read"),
        ({"ssl": False}, "ssl is False; it takes a CA bundle's path"),
        ({"token": 5}, "the token is of type int; it takes str, Token or an async callable"),
        ({"timeout": 5}, "timeout is 5; it takes a Timeout, such as Timeout(attempt=5); deadline=5 bounds"),
        ({"timeout": 0}, "timeout is 0; it takes a Timeout"),
        ({"timeout": "fast"}, "timeout is of type str; it takes a Timeout, such as Timeout(attempt=SECONDS)"),
        ({"deadline": "5"}, "deadline is '5'; it takes more than 0"),
        ({"retry": 3}, "retry is 3; it takes a RetryPolicy, such as RetryPolicy(max_retries=3)"),
        ({"retry": False}, "retry is of type bool; it takes a RetryPolicy"),
        ({"throttle": 10}, "throttle is 10; it takes a Throttle, such as Adaptive()"),
        ({"priority": "high"}, "priority is of type str; it takes a whole number"),
        ({"max_concurrency": "64"}, "max_concurrency is of type str; it takes a whole number"),
        (
            {"middlewares": pass_on},
            "middlewares is of type function; it takes several callables, such as [pass_on]",
        ),
        ({"middlewares": [5]}, "middlewares has a int; each of them is a callable"),
        (
            {"hooks": print},
            "hooks is of type builtin_function_or_method; it takes several callables, such as [print]",
        ),
        ({"hooks": 7}, "hooks is of type int; it takes several callables, such as [my_function]"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AccessKeysClient(**({"token": TOKEN} | options))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"token": ""},
        {"base_url": "http://api.example"},
        {"deadline": 0},
        {"max_response_bytes": -1},
        {"max_response_bytes": None},
        {"max_empty_pages": None},
        {"timeout": 5},
        {"retry": 3},
        {"throttle": 10},
        {"priority": "high"},
        {"middlewares": pass_on},
        {"hooks": [None]},
    ],
)
async def test_a_clone_s_settings_are_checked_too(changes: dict[str, Any], client: AccessKeysClient) -> None:
    with pytest.raises(ConfigurationError):
        client.with_options(**changes)


async def test_a_clone_takes_no_option_that_belongs_to_the_pool(client: AccessKeysClient) -> None:
    for name in ("session", "max_concurrency", "ssl", "trust_env", "proxy", "retires"):
        with pytest.raises(ConfigurationError, match=f"with_options can't change {name}; it takes token, "):
            client.with_options(**{name: None})  # type: ignore[misc] # what is under test


async def test_a_clone_has_other_options_and_leaves_the_first_client_as_it_is(
    client: AccessKeysClient, mocked_api: MockedAPI, organization_id: UUID, url: str, row: Any
) -> None:
    mocked_api.get(url, payload=row, repeat=True)
    other = url.replace(BASE_URL, "https://other.example")
    mocked_api.get(other, payload=row)
    clone = client.with_options(token="another-token", base_url="https://other.example", deadline=None)
    await clone.get(organization_id, KEY)
    await client.get(organization_id, KEY)
    tokens = [(u, sent["headers"]["Authorization"]) for _, u, sent in mocked_api.calls]
    assert tokens == [(other, "AccessKey another-token"), (url, f"AccessKey {TOKEN}")]


async def test_clones_share_one_budget(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID, url: str
) -> None:
    mocked_api.get(url, status=503, repeat=True)
    policy = RetryPolicy(base_delay=0, budget=RetryBudget(capacity=3))
    client = make_client(retry=policy)
    with pytest.raises(ServerError):
        await client.with_options(deadline=5).get(organization_id, KEY)
    assert len(mocked_api.calls) == 4
    patient = client.with_options(retry=RetryPolicy(base_delay=0, max_retries=50))
    for caller in (client, patient):
        with pytest.raises(ServerError) as caught:
            await caller.get(organization_id, KEY)
        assert "the retry budget is empty" in str(caught.value.__cause__)
    assert len(mocked_api.calls) == 6


async def test_a_clone_s_policy_may_bring_a_budget_of_its_own(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID, url: str
) -> None:
    mocked_api.get(url, status=503, repeat=True)
    client = make_client(retry=RetryPolicy(base_delay=0, budget=RetryBudget(capacity=0)))
    own = RetryPolicy(base_delay=0, max_retries=2, budget=RetryBudget(capacity=9))
    with pytest.raises(ServerError):
        await client.with_options(retry=own).get(organization_id, KEY)
    assert len(mocked_api.calls) == 3


class Crowd:
    """Answers when everybody is there who comes, and knows how many there were at most."""

    def __init__(self) -> None:
        self.present = 0
        self.most = 0

    async def answer(self, url: object, **options: object) -> None:
        self.present += 1
        self.most = max(self.most, self.present)
        for _ in range(20):
            await asyncio.sleep(0)
        self.present -= 1


@pytest.mark.parametrize("limit", [1, 3])
async def test_clones_share_one_bound_of_requests_under_way(
    limit: int, make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID, url: str, row: Any
) -> None:
    crowd = Crowd()
    mocked_api.get(url, payload=row, repeat=True, callback=crowd.answer)
    client = make_client(max_concurrency=limit)
    clients = [client, client.with_options(deadline=None), client.with_options(token="another-token")]
    await asyncio.gather(*(each.get(organization_id, KEY) for each in clients * 4))
    assert crowd.most == limit


async def test_a_clone_closes_nothing_and_ends_with_its_origin(
    client: AccessKeysClient, mocked_api: MockedAPI, organization_id: UUID, url: str, row: Any
) -> None:
    mocked_api.get(url, payload=row, repeat=True)
    async with client.with_options(deadline=5) as clone:
        await clone.get(organization_id, KEY)
    await client.get(organization_id, KEY)
    await clone.get(organization_id, KEY)
    await client.aclose()
    for closed in (client, clone):
        with pytest.raises(ClientClosedError, match=r"the client made at .+conftest\.py:\d+ is closed"):
            await closed.get(organization_id, KEY)
        assert repr(closed) == f"<AccessKeysClient {BASE_URL} closed>"
    await client.aclose()


async def test_a_client_that_was_never_used_closes_too() -> None:
    async with AccessKeysClient(TOKEN) as client:
        assert repr(client) == "<AccessKeysClient https://api.bird.com open>"
    assert repr(client) == "<AccessKeysClient https://api.bird.com closed>"


async def test_middlewares_run_outermost_first_and_once_a_call_around_all_attempts(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID, url: str, row: Any
) -> None:
    mocked_api.get(url, status=503)
    mocked_api.get(url, payload=row, repeat=True)
    steps: list[str] = []

    def make(name: str) -> Any:
        async def middleware(request: Request, call_next: Next) -> Response:
            steps.append(f"{name}: {request.operation}")
            response = await call_next(request)
            steps.append(f"{name}: {response.status} after {len(response.attempts)}")
            return response

        return middleware

    client = make_client(middlewares=iter([make("outer"), make("inner")]))
    await client.get(organization_id, KEY)
    assert steps == ["outer: getAccessKey", "inner: getAccessKey", "inner: 200 after 2", "outer: 200 after 2"]
    steps.clear()
    await client.with_options(middlewares=[make("other")]).get(organization_id, KEY)
    assert steps == ["other: getAccessKey", "other: 200 after 1"]


async def test_a_middleware_may_answer_by_itself(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID
) -> None:
    async def refuse(request: Request, call_next: Next) -> Response:
        raise APIConnectionError("not today", sent=False)

    with pytest.raises(APIConnectionError, match="not today"):
        await make_client(middlewares=[refuse]).get(organization_id, KEY)
    assert mocked_api.calls == []


async def test_hooks_are_told_of_a_call_from_start_to_end(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID, url: str, row: Any
) -> None:
    mocked_api.get(url, status=503)
    mocked_api.get(url, payload=row)
    events: list[Event] = []
    await make_client(hooks=[events.append]).get(organization_id, KEY)
    assert [type(event) for event in events] == [
        CallStarted,
        AttemptFinished,
        WaitStarted,
        AttemptFinished,
        CallFinished,
    ]
    assert len({id(event.request) for event in events}) == 1
    finished = events[-1]
    assert isinstance(finished, CallFinished)
    assert finished.response is not None
    assert len(finished.response.attempts) == 2


async def test_a_token_callable_is_asked_before_each_attempt(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID, url: str, row: Any
) -> None:
    tokens: list[str | Token] = ["first-token", Token("second-token")]

    async def give() -> str | Token:
        return tokens.pop(0)

    mocked_api.get(url, status=503)
    mocked_api.get(url, payload=row)
    await make_client(token=give).get(organization_id, KEY)
    sent = [options["headers"]["Authorization"] for _, _, options in mocked_api.calls]
    assert sent == ["AccessKey first-token", "AccessKey second-token"]


async def test_what_a_token_callable_raises_goes_through(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID
) -> None:
    async def fail() -> str:
        raise OSError("the vault is shut")

    async def give_nonsense() -> str:
        return "two\nlines"

    with pytest.raises(OSError, match="the vault is shut"):
        await make_client(token=fail).get(organization_id, KEY)
    with pytest.raises(ConfigurationError, match="the token of 9 characters"):
        await make_client(token=give_nonsense).get(organization_id, KEY)
    assert mocked_api.calls == []


async def test_a_token_callable_that_takes_too_long_is_a_timeout_before_anything_was_sent(
    make_client: MakeClient, mocked_api: MockedAPI, organization_id: UUID
) -> None:
    async def dawdle() -> str:
        await asyncio.Event().wait()
        return TOKEN

    client = make_client(
        token=dawdle, timeout=Timeout(attempt=0.001), retry=RetryPolicy(max_retries=1, base_delay=0)
    )
    with pytest.raises(APIConnectionError) as caught:
        await client.create(organization_id, name="n", description="d")
    assert caught.value.sent is False
    assert len(caught.value.attempts) == 2
    with pytest.raises(DeadlineExceededError) as late:
        await make_client(token=dawdle, deadline=0.001).get(organization_id, KEY)
    assert len(late.value.attempts) == 1
    assert mocked_api.calls == []
