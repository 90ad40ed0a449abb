from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator
from uuid import UUID

import pytest

from accesskeys_async import (
    APIConnectionError,
    APIResponseError,
    AuthenticationError,
    CreateOutcomeUnknownError,
    DeadlineExceededError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    Token,
    rotation,
)
from accesskeys_async.rotation import RotationBusyError, RotationError
from accesskeys_async.rotation.failures import describe_failure, is_passing, made_nothing
from tests.unit.rotation.yard import NOW, TOKEN


def _errors() -> Iterator[RotationError]:
    for kind in map(rotation.__dict__.__getitem__, rotation.__all__):
        if inspect.isclass(kind) and issubclass(kind, RotationError) and kind is not RotationBusyError:
            yield kind("what, where, and what to do")
    yield RotationBusyError("busy", until=NOW)


@pytest.mark.parametrize("error", list(_errors()), ids=lambda error: type(error).__name__)
def test_every_error_of_rotations_comes_through_a_pickle(error: RotationError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_every_public_name_is_listed_and_described() -> None:
    imported = {name for name, value in vars(rotation).items() if not name.startswith("_")}
    modules = {name for name in imported if inspect.ismodule(getattr(rotation, name))}

    assert set(rotation.__all__) == imported - modules - {"annotations", "public"}
    assert list(rotation.__all__) == sorted(rotation.__all__)
    for name in rotation.__all__:
        value = getattr(rotation, name)
        assert not inspect.isclass(value) or inspect.getdoc(value)


UNKNOWN = CreateOutcomeUnknownError("x", organization_id=UUID(int=1), name="ci", began_at=NOW)


@pytest.mark.parametrize(
    ("error", "passes", "nothing"),
    [
        (APIConnectionError("x", sent=False), True, True),
        (APIConnectionError("x", sent=None), True, False),
        (UNKNOWN, True, False),
        (DeadlineExceededError("x"), True, True),
        (RateLimitError("x", status=429), True, True),
        (ServerError("x", status=500), True, False),
        (TimeoutError(), True, False),
        (AuthenticationError("x", status=401), False, True),
        (InvalidRequestError("name", "is empty"), False, True),
        (APIResponseError("$", "expected a key"), False, False),
        (ValueError("x"), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_failure_passes_or_not_and_may_have_made_a_key_or_not(
    error: Exception, passes: bool, nothing: bool
) -> None:
    assert (is_passing(error), made_nothing(error)) == (passes, nothing)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RotationError("the vault\nis sealed"), "the vault is sealed"),
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (ValueError(f"not {TOKEN}!"), "ValueError: not Token(…STUVWX)!"),
    ],
)
def test_a_failure_is_told_on_one_line_without_the_token(error: Exception, told: str) -> None:
    assert describe_failure(error, token=Token(TOKEN)) == told


def test_a_failure_of_the_api_keeps_its_advice() -> None:
    error = PermissionDeniedError(
        "POST " + "p" * 120,
        status=403,
        code="c" * 400,
        message="m" * 400,
        details={"d": "e" * 400},
        request_id="r" * 90,
        advice=f"use a role whose policies allow 'create' on {'p' * 100}",
    )

    told = describe_failure(error)

    assert len(told) <= 800
    assert told.startswith("POST ppp")
    assert told.endswith(f"; use a role whose policies allow 'create' on {'p' * 100}")


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_failure_of_any_size_leaves_room_for_what_is_said_of_it(size: int) -> None:
    told = describe_failure(RotationError("first\n" + "x" * size + "\nlast"))

    assert 700 < len(told) <= 800
    assert told.startswith("first xxx")
    assert " … xxx" in told.replace("x …", " …")
    assert told.endswith("xxx last")
