import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator.derivation import Derivation


@given(st.integers(), st.integers(), st.integers())
def test_the_same_seed_gives_the_same_and_another_seed_another(seed: int, other: int, number: int) -> None:
    derive = Derivation(seed)

    assert derive.token("key", number) == Derivation(seed).token("key", number)
    assert (derive.token("key", number) == Derivation(other).token("key", number)) == (seed == other)


@given(st.integers(), st.integers())
def test_tokens_are_36_letters_and_digits_and_ids_are_version_4_uuids(seed: int, number: int) -> None:
    derive = Derivation(seed)

    assert re.fullmatch(r"[A-Za-z0-9]{36}", derive.token("key", number))
    identifier = derive.identifier("key", number)
    assert uuid.UUID(identifier).version == 4
    assert str(uuid.UUID(identifier)) == identifier


def test_labels_and_numbers_do_not_run_into_each_other() -> None:
    derive = Derivation(0)

    assert len({derive.token("a", 1, 12), derive.token("a", 11, 2), derive.token("a1", 12)}) == 3
