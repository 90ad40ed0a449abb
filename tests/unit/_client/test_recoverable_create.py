"""The mark of a recoverable create, and what becomes of responses that can't be read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from accesskeys_async import (
    APIConnectionError,
    APIResponseError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    Request,
    Response,
    RoleRef,
)
from accesskeys_async._client.recoverable_create import (
    Creation,
    Draft,
    _read_date,
    find_nonce,
    mark,
    new_nonce,
)


def test_a_nonce_is_sixteen_characters_and_new_each_time() -> None:
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {16}


@given(st.text(min_size=1, max_size=234))
def test_a_mark_is_found_again_at_the_end_of_any_description(description: str) -> None:
    nonce = new_nonce()
    assert find_nonce(mark(description, nonce)) == nonce


def test_a_description_that_leaves_no_room_for_the_mark_is_refused_with_the_bound() -> None:
    assert len(mark("x" * 234, new_nonce())) == 256
    with pytest.raises(InvalidRequestError, match=r"^description is 235 characters; .* it takes 1 to 234$"):
        mark("x" * 235, new_nonce())


@pytest.mark.parametrize(
    "description",
    [
        None,
        "",
        "deploys",
        "[ak:0123456789abcdef] is quoted here",
        "no space[ak:0123456789abcdef]",
        "short [ak:0123456789abcde]",
        "not ours [ak:0123456789ABCDEF]",
        "a line after [ak:0123456789abcdef]\n",
    ],
)
def test_what_is_no_mark_at_the_end_is_none(description: str | None) -> None:
    assert find_nonce(description) is None


ORGANIZATION = UUID("1c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c11")
KEY = UUID("2c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c22")
LATE = UUID("6c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c66")
STRANGER = UUID("5c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c55")
ROLE = RoleRef(UUID("3c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c33"))
SECRET = "the-secret-part-AbCdEf"

Row = dict[str, Any]


def make_row(key_id: UUID, description: str) -> Row:
    return {
        "id": str(key_id),
        "organizationId": str(ORGANIZATION),
        "name": "ci",
        "description": description,
        "suffix": "AbCdEf",
        "createdAt": "2026-01-02T03:04:05Z",
    }


class Service:
    """Keeps keys, and responds to a create with whatever `respond` says of the record."""

    def __init__(self, respond: Callable[[Row], object], *, list_status: int = 200) -> None:
        self.keys = {str(STRANGER): make_row(STRANGER, "another's")}
        self.requests: list[str] = []
        self._respond = respond
        self._list_status = list_status

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request.operation)
        key_id = request.path.rpartition("/")[2]
        match request.operation:
            case "createAccessKey":
                sent = json.loads(request.body or b"")
                assert sent["roleRefs"] == [{"id": str(ROLE.id)}]
                self.keys[str(KEY)] = make_row(KEY, sent["description"])
                return self._answer(201, self._respond(self.keys[str(KEY)]))
            case "updateAccessKey":
                self.keys[key_id] |= json.loads(request.body or b"")
                return self._answer(200, self.keys[key_id])
            case "deleteAccessKey":
                del self.keys[key_id]
                return self._answer(204, None)
            case _:
                return self._answer(self._list_status, {"results": list(self.keys.values())})

    @staticmethod
    def _answer(status: int, body: object) -> Response:
        return Response(status, CIMultiDict(), body if isinstance(body, bytes) else json.dumps(body).encode())


def creation(service: Service) -> Creation:
    return Creation(service, Draft(ORGANIZATION, "ci", "deploys", (ROLE,)), deadline=None)


async def test_a_published_response_ends_a_recoverable_create_without_its_mark() -> None:
    service = Service(lambda row: {"accessKey": row, "token": SECRET})
    created = await creation(service).run_to_a_known_end(settle=0, rounds=5)
    assert (created.id, created.description, created.token.reveal()) == (KEY, "deploys", SECRET)
    assert service.keys[str(KEY)]["description"] == "deploys"


UNREADABLE: dict[str, Callable[[Row], object]] = {
    "no token": lambda row: {"accessKey": row},
    "two tokens": lambda row: {"accessKey": row, "a": SECRET, "b": f"other-{SECRET}"},
    "a record without its name": lambda row: {"accessKey": row | {"name": None}, "token": SECRET},
    "an id alone": lambda row: {"accessKeyId": row["id"]},
    "half of it": lambda row: json.dumps({"accessKey": row, "token": SECRET}).encode()[:-9],
}


@pytest.mark.parametrize("how", UNREADABLE)
async def test_a_recoverable_create_deletes_a_key_that_is_named_without_its_token_and_ends(how: str) -> None:
    service = Service(UNREADABLE[how])
    with pytest.raises(APIResponseError, match=f"access key {KEY} was created and deleted again") as caught:
        await creation(service).run_to_a_known_end(settle=0, rounds=5)
    assert caught.value.key_id == str(KEY)
    assert caught.value.key_deleted
    assert service.requests.count("createAccessKey") == 1
    assert list(service.keys) == [str(STRANGER)]


@pytest.mark.parametrize("how", UNREADABLE)
async def test_a_plain_create_names_the_key_that_it_can_not_read(how: str) -> None:
    service = Service(UNREADABLE[how])
    with pytest.raises(APIResponseError, match=f"its token is lost: delete access key {KEY} if it is new"):
        await creation(service).run_once()
    assert service.requests == ["createAccessKey"]


async def test_a_key_that_can_not_be_looked_for_is_named_and_never_deleted_unseen() -> None:
    service = Service(UNREADABLE["no token"], list_status=403)
    with pytest.raises(APIResponseError, match=f"its token is lost: delete access key {KEY}") as caught:
        await creation(service).run_to_a_known_end(settle=0, rounds=5)
    assert any("could not be deleted" in note for note in caught.value.__notes__)
    assert service.requests == ["createAccessKey", "listAccessKeys"]


async def test_a_response_that_names_another_key_never_deletes_that() -> None:
    service = Service(lambda _: {"accessKeyId": str(STRANGER)})
    with pytest.raises(APIResponseError, match=f"access key {KEY} was created and deleted again"):
        await creation(service).run_to_a_known_end(settle=0, rounds=5)
    assert list(service.keys) == [str(STRANGER)]
    assert service.requests.count("createAccessKey") == 1


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 08:49:37 -0000", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 08:49:37", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun Nov  6 08:49:37 1994", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 09:49:37 +0100", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_without_a_zone_is_utc_whatever_the_machines_zone(
    text: str, moment: datetime | None, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert _read_date(Response(200, CIMultiDict({"Date": text}), b"")) == moment
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_key_left_by_an_earlier_attempt_is_deleted_even_if_the_mark_can_not_be_removed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Unsteady(update_status=403)
    created = await creation(service).run_to_a_known_end(settle=0, rounds=5)
    assert created.token.reveal() == SECRET
    assert list(service.keys) == [str(STRANGER), str(created.id)]
    assert "may still end with the mark" in caplog.text


async def test_a_description_has_no_mark_if_only_the_key_of_an_earlier_attempt_can_not_be_looked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Unsteady(list_statuses=[200, 403])
    created = await creation(service).run_to_a_known_end(settle=0, rounds=5)
    assert created.description == "deploys"
    assert "could not be looked for" in caplog.text


async def test_looking_for_a_lost_key_ends_without_a_deadline_if_it_fails_for_a_minute() -> None:
    service = Unsteady(list_statuses=[500])
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    endless = Creation(
        service,
        Draft(ORGANIZATION, "ci", "deploys", (ROLE,)),
        deadline=None,
        clock=lambda: now[0],
        sleep=sleep,
    )
    with pytest.raises(CreateOutcomeUnknownError) as caught:
        await endless.run_to_a_known_end(settle=3, rounds=5)
    assert caught.value.nonce is not None
    assert 60 < now[0] < 70


class Unsteady(Service):
    """Loses the first create's response, and shows its key only once the second one was sent."""

    def __init__(self, *, update_status: int = 200, list_statuses: Sequence[int] = (200,)) -> None:
        super().__init__(lambda row: {"accessKey": row, "token": SECRET})
        self._late: Row | None = None
        self._update_status = update_status
        self._statuses = list(list_statuses)

    async def __call__(self, request: Request) -> Response:
        match request.operation:
            case "createAccessKey" if "createAccessKey" not in self.requests:
                self.requests.append(request.operation)
                self._late = make_row(LATE, json.loads(request.body or b"")["description"])
                raise APIConnectionError("lost", sent=None)
            case "createAccessKey":
                assert self._late is not None
                self.keys[str(LATE)] = self._late
            case "updateAccessKey" if self._update_status != 200:
                return self._answer(self._update_status, {})
            case "listAccessKeys":
                self._list_status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return await super().__call__(request)
