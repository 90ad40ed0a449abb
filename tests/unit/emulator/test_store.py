import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator.clock import ManualClock
from accesskeys_async.emulator.database import Database
from accesskeys_async.emulator.population import Population
from accesskeys_async.emulator.store import Bearer, Store
from accesskeys_async.emulator.validation import Draft, ListQuery

DRAFT = Draft(name="ci", description="deploys")


@contextmanager
def opened(
    path: Path | None = None, *, keys: int = 0, clock: ManualClock | None = None, seed: int = 0
) -> Iterator[Store]:
    population = Population(seed, 1, keys)
    with closing(Store(Database(path), population, clock=clock or ManualClock())) as store:
        yield store


ORGANIZATION = Population().list_organizations()[0]


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return None if request.param == "memory" else tmp_path / "keys.db"


def bearer_of(store: Store, token: str = ORGANIZATION.token) -> Bearer:
    bearer = store.find_bearer(token)
    assert bearer is not None
    return bearer


def read(record: str | None) -> Any:
    assert record is not None
    return json.loads(record)


def all_ids(
    store: Store, *, limit: int, reverse: bool = False, between: Callable[[int], None] = lambda page: None
) -> list[str]:
    ids, after = [], None
    while True:
        page = store.list_page(ORGANIZATION.id, ListQuery(limit=limit, reverse=reverse), after=after)
        ids += [record["id"] for record in json.loads(b"[%b]" % page.records)]
        if page.next_position is None:
            return ids
        after = page.next_position
        between(len(ids))


def test_a_created_key_can_be_read_and_its_token_belongs_to_it(path: Path | None) -> None:
    with opened(path) as store:
        result = read(store.create(ORGANIZATION.id, DRAFT))
        created, token = result["accessKey"], result["token"]

        assert read(store.get(ORGANIZATION.id, created["id"]))["createdAt"] == created["createdAt"]
        assert bearer_of(store, token).key_id == created["id"]
        assert created["suffix"] == token[-6:]


def test_no_token_is_kept(path: Path | None, tmp_path: Path) -> None:
    with opened(path, keys=3) as store:
        token = read(store.create(ORGANIZATION.id, DRAFT))["token"]
        dump = "\n".join(store._database._writer.iterdump())

    assert token not in dump
    assert token.encode().hex() not in dump.lower()
    assert ORGANIZATION.token not in dump


def test_a_token_whose_hash_only_begins_alike_is_unknown() -> None:
    with opened() as store:
        with store._database.writing() as connection:
            connection.execute("UPDATE keys SET digest = CAST(selector || zeroblob(24) AS BLOB)")

        assert store.find_bearer(ORGANIZATION.token) is None


def test_a_use_shows_at_once_in_a_record_and_in_a_page(path: Path | None) -> None:
    clock = ManualClock()
    with opened(path, keys=2, clock=clock) as store:
        bearer = bearer_of(store)
        clock.advance(1.5)
        store.note_use(bearer)

        page = json.loads(b"[%b]" % store.list_page(ORGANIZATION.id, ListQuery(), after=None).records)
        assert page[-1]["lastUsedAt"] == "2026-01-01T00:00:01.500Z"
        assert read(store.get(ORGANIZATION.id, bearer.key_id))["lastUsedAt"] == page[-1]["lastUsedAt"]
        assert read(store.update(ORGANIZATION.id, bearer.key_id, Draft()))["lastUsedAt"] is not None
        assert store.stored_keys(ORGANIZATION.id)[-1].last_used_at == "2026-01-01T00:00:01.500Z"


def test_what_was_written_and_used_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    with opened(tmp_path / "keys.db") as store:
        refs = (store.known_roles(ORGANIZATION.id).refer("Message sender", ("w", "v")),)
        created = read(store.create(ORGANIZATION.id, Draft(name="a", description="b", role_refs=refs)))
        store.note_use(bearer_of(store, created["token"]))
        signing_key = store.signing_key
        before = store.stored_keys(ORGANIZATION.id)

    with opened(tmp_path / "keys.db", clock=ManualClock()) as store:
        assert store.stored_keys(ORGANIZATION.id) == before
        assert store.signing_key == signing_key
        assert before[-1].last_used_at == "2026-01-01T00:00:00.000Z"
        assert before[-1].role_refs == refs


def test_a_change_under_way_is_not_seen_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    def fail(store: Store) -> None:
        with store._database.writing() as connection:
            connection.execute("DELETE FROM keys")
            assert store.find_bearer(ORGANIZATION.token) is not None
            raise ZeroDivisionError

    with opened(tmp_path / "keys.db") as store:
        with pytest.raises(ZeroDivisionError):
            fail(store)

        assert store.find_bearer(ORGANIZATION.token) is not None


def test_a_use_noted_while_another_change_is_written_is_kept(tmp_path: Path) -> None:
    clock = ManualClock()
    with opened(tmp_path / "keys.db", clock=clock) as store:
        bearer = bearer_of(store)
        store.note_use(bearer)
        with store._changing():
            clock.advance(1)
            store.note_use(bearer)

        assert store.stored_keys(ORGANIZATION.id)[0].last_used_at == "2026-01-01T00:00:01.000Z"


def test_a_file_of_another_population_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "keys.db", keys=2):
        pass

    database = Database(tmp_path / "keys.db")
    with closing(database), pytest.raises(ValueError, match="made with seed=0, organizations=1, keys_per"):
        Store(database, Population(1, 1, 2), clock=ManualClock())


def test_a_key_whose_roles_are_replaced_has_only_the_new_ones(path: Path | None) -> None:
    with opened(path) as store:
        known = store.known_roles(ORGANIZATION.id)
        bearer = bearer_of(store)
        refs = (known.refer("Viewer"), known.refer("Message sender", tuple(known.workspaces)))
        updated = read(store.update(ORGANIZATION.id, bearer.key_id, Draft(role_refs=refs)))

        assert updated["roleRefs"] == [ref.to_json() for ref in refs]
        assert updated["roleIds"] == [ref.id for ref in refs]
        assert [role.name for role in store.roles_of(bearer)] == ["Viewer", "Message sender"]
        got = read(store.get(ORGANIZATION.id, bearer.key_id))
        assert got["roles"] == [known.roles[ref.id].to_json() for ref in refs]
        assert not {"roleRefs", "roleIds"} & set(got)
        store.delete(ORGANIZATION.id, bearer.key_id)
        assert store.roles_of(bearer) == ()


def test_an_unknown_key_is_neither_read_changed_nor_deleted(path: Path | None) -> None:
    with opened(path) as store:
        assert store.get(ORGANIZATION.id, "x") is None
        assert store.update(ORGANIZATION.id, "x", DRAFT) is None
        assert store.delete(ORGANIZATION.id, "x") is False


def test_positions_and_ids_are_not_used_again_after_a_deletion(path: Path | None) -> None:
    with opened(path) as store:
        first = read(store.create(ORGANIZATION.id, DRAFT))
        store.delete(ORGANIZATION.id, first["accessKey"]["id"])
        second = read(store.create(ORGANIZATION.id, DRAFT))

    assert first["accessKey"]["id"] != second["accessKey"]["id"]
    assert first["token"] != second["token"]


def test_the_order_is_that_of_making_and_reverse_is_its_mirror(path: Path | None) -> None:
    clock = ManualClock()
    with opened(path, keys=25, clock=clock) as store:
        clock.advance(timedelta(days=-999).total_seconds())
        late = read(store.create(ORGANIZATION.id, DRAFT))["accessKey"]["id"]
        expected = [key.id for key in store.stored_keys(ORGANIZATION.id)]

        assert expected[-1] == late
        assert all_ids(store, limit=100) == expected
        assert all_ids(store, limit=100, reverse=True) == expected[::-1]


@pytest.mark.slow
@given(
    limit=st.integers(1, 12),
    reverse=st.booleans(),
    size=st.integers(0, 30),
    changes=st.lists(st.tuples(st.sampled_from(["create", "delete"]), st.integers(0, 10**6)), max_size=20),
)
def test_a_key_that_is_there_throughout_comes_exactly_once_while_others_come_and_go(
    limit: int, reverse: bool, size: int, changes: list[tuple[str, int]]
) -> None:
    with opened(keys=size) as store:
        steady = {key.id for key in store.stored_keys(ORGANIZATION.id)}
        script = list(changes)

        def disturb(_: int) -> None:
            for kind, pick in (script.pop() for _ in range(min(3, len(script)))):
                living = store.stored_keys(ORGANIZATION.id)
                if kind == "create" or not living:
                    store.create(ORGANIZATION.id, DRAFT)
                else:
                    gone = living[pick % len(living)].id
                    store.delete(ORGANIZATION.id, gone)
                    steady.discard(gone)

        seen = all_ids(store, limit=limit, reverse=reverse, between=disturb)

    assert len(seen) == len(set(seen))
    assert steady <= set(seen)


def test_reset_brings_back_the_population_and_its_first_ids(path: Path | None) -> None:
    with opened(path, keys=3) as store:
        before = store.stored_keys(ORGANIZATION.id)
        first = store.create(ORGANIZATION.id, DRAFT)
        store.note_use(bearer_of(store))
        store.delete(ORGANIZATION.id, before[0].id)

        store.reset()

        assert store.stored_keys(ORGANIZATION.id) == before
        assert store.create(ORGANIZATION.id, DRAFT) == first
