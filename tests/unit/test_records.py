from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import attrs
import pytest

from accesskeys_async.records import (
    UNSET,
    AccessKey,
    AccessKeyPage,
    Attempt,
    CreatedAccessKey,
    RoleRef,
    Token,
    Unset,
)

TEXT = "ZyXwVu9876543210ZyXwVu9876543210AbCdEf"
MASKED = "Token(…AbCdEf)"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        lambda token: f"{token}",
        lambda token: f"{token!s} {token!r}",
        lambda token: "%s %r" % (token, token),  # noqa: UP031 - the form under test
        lambda token: "{} {!r:>40}".format(token, token),  # noqa: UP032 - the form under test
        lambda token: json.dumps({"token": token}, default=str, ensure_ascii=False),
        lambda token: str([token, {token: token}]),
    ],
)
def test_a_token_shows_no_more_than_its_suffix(show: Callable[[Token], str]) -> None:
    shown = show(Token(TEXT))
    assert MASKED in shown
    assert TEXT[:8] not in shown


def test_a_token_keeps_to_the_width_of_a_format() -> None:
    assert f"{Token(TEXT):>20}" == MASKED.rjust(20)


def test_a_token_is_masked_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("%s %r", Token(TEXT), Token(TEXT))
    assert caplog.messages == [f"{MASKED} {MASKED}"]
    assert TEXT[:8] not in caplog.text


def test_a_token_is_masked_in_tracebacks_with_locals() -> None:
    def fail(token: Token) -> None:
        raise RuntimeError(f"no use for {token}")

    with pytest.raises(RuntimeError) as caught:
        fail(Token(TEXT))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert f"token = {MASKED}" in shown
    assert TEXT not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_has_no_more_than_the_suffix(protocol: int) -> None:
    data = pickle.dumps(Token(TEXT), protocol)
    assert TEXT[:8].encode() not in data
    token = pickle.loads(data)
    assert repr(token) == MASKED
    assert token.suffix == "AbCdEf"
    with pytest.raises(ValueError, match=r"^Token\(…AbCdEf\) went through a pickle"):
        token.reveal()


def test_a_token_is_revealed_on_request_alone() -> None:
    token = Token(TEXT)
    assert token.reveal() == TEXT
    assert token.suffix == TEXT[-6:]


@pytest.mark.parametrize("text", ["", "a", "AbCdEf", "01234AbCdEf"])
def test_a_short_token_spares_no_suffix(text: str) -> None:
    assert Token(text).suffix == ""
    assert repr(Token(text)) == "Token(…)"


def test_a_copy_of_a_token_is_the_token() -> None:
    token = Token(TEXT)
    assert copy.copy(token) is token
    assert copy.deepcopy({"token": token})["token"] is token


def test_tokens_compare_by_their_text() -> None:
    assert Token(TEXT) == Token(TEXT)
    assert hash(Token(TEXT)) == hash(Token(TEXT))
    assert Token(TEXT) != Token(f"{TEXT[:-7]}x{TEXT[-6:]}")
    assert Token(TEXT) != TEXT
    assert Token("é\ud800" * 6) == Token("é\ud800" * 6)


def test_a_pickled_token_equals_itself_alone() -> None:
    data = pickle.dumps(Token(TEXT))
    first, second = pickle.loads(data), pickle.loads(data)
    assert first == first
    assert first != second
    assert first != Token(TEXT)


def test_a_token_takes_text_alone_and_no_state() -> None:
    with pytest.raises(TypeError, match="a token is made from str, not bytes"):
        Token(b"0123456789AbCdEf")  # type: ignore[arg-type] # what is under test
    with pytest.raises(TypeError, match="no state"):
        Token(TEXT).__setstate__({"_text": "another"})


def test_a_created_key_is_a_key_whose_token_is_masked_in_every_form(
    make_key: Callable[..., AccessKey],
) -> None:
    key = make_key()
    created = CreatedAccessKey(**attrs.asdict(key), token=Token(TEXT))
    assert isinstance(created, AccessKey)
    for shown in (
        repr(created),
        str(attrs.asdict(created)),
        json.dumps(attrs.asdict(created), default=str),
        pickle.dumps(created, 0).decode("latin-1"),
        repr(attrs.evolve(created, name="other")),
        repr(copy.deepcopy(created)),
    ):
        assert TEXT[:8] not in shown
    assert pickle.loads(pickle.dumps(created)).id == created.id


@pytest.mark.parametrize(
    "record",
    [
        AccessKeyPage(()),
        Attempt(1, datetime(2026, 1, 1, tzinfo=UTC), 0.1, 200, None, effect_unknown=False, wait=0.0),
    ],
)
def test_records_are_frozen_slotted_and_pickled(record: object) -> None:
    name = attrs.fields(type(record))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(record, name, None)
    assert not hasattr(record, "__dict__")
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_key_is_frozen_slotted_hashable_and_equal_by_its_fields(make_key: Callable[..., AccessKey]) -> None:
    key = make_key(role_ids=("a", "b"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        key.name = "other"  # type: ignore[misc] # what is under test
    assert not hasattr(key, "__dict__")
    assert key == make_key(role_ids=("a", "b"))
    assert key != make_key(2, role_ids=("a", "b"))
    assert len({key, make_key(role_ids=("a", "b"))}) == 1
    assert pickle.loads(pickle.dumps(key)) == key


def test_what_an_answer_did_not_name_is_unset_and_false_and_one_only(
    make_key: Callable[..., AccessKey],
) -> None:
    key = make_key()
    for value in (key.type, key.description, key.last_used_at, key.updated_at, key.role_ids):
        assert value is UNSET
    assert not UNSET
    assert repr(UNSET) == "UNSET"
    assert UNSET is not None
    assert copy.deepcopy(UNSET) is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert list(Unset) == [UNSET]


def test_a_page_is_walked_and_counted(make_key: Callable[..., AccessKey]) -> None:
    page = AccessKeyPage((make_key(1), make_key(2)), "next")
    assert [key.id.int for key in page] == [1, 2]
    assert len(page) == 2
    assert AccessKeyPage(()).next_page_token is None


def test_references_grant_the_same_if_role_and_set_of_workspaces_are_the_same() -> None:
    role, one, two = UUID(int=1), UUID(int=2), UUID(int=3)
    assert RoleRef(role, "managed", (one, two)).grant == RoleRef(role, workspaces=(two, one, two)).grant
    assert RoleRef(role).grant == RoleRef(role, workspaces=None).grant == RoleRef(role, workspaces=()).grant
    assert RoleRef(role).grant != RoleRef(role, workspaces=(one,)).grant
    assert RoleRef(role).grant != RoleRef(two).grant
