from __future__ import annotations

from uuid import UUID

from accesskeys_async.audit.reports.key_roles import RoleCount, RoleCounts, RoleKind, list_key_roles
from accesskeys_async.records import UNSET, AccessKey, Role, RoleRef
from tests.unit.audit.judged import make_key

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
MANAGED = RoleRef(TWO, "managed")


def count(*keys: AccessKey, most: int = 10) -> list[RoleCount]:
    counts = RoleCounts(most)
    for key in keys:
        counts.add([key])
    return counts.ranked()


def test_keys_are_counted_by_role_the_most_first_and_what_is_no_role_last() -> None:
    keys = [
        make_key(role_refs=(RoleRef(ONE), MANAGED)),
        make_key(role_refs=(MANAGED,)),
        make_key(role_refs=(MANAGED,)),
        make_key(role_refs=()),
        make_key(role_refs=None),
        make_key(role_refs=UNSET),
    ]
    assert count(*keys) == [
        RoleCount(str(TWO), RoleKind.MANAGED, 3, TWO),
        RoleCount(str(ONE), RoleKind.OTHER, 1, ONE),
        RoleCount("no roles", RoleKind.NONE, 2),
        RoleCount("roles not told", RoleKind.NONE, 1),
    ]


def test_keys_that_share_references_are_counted_each_and_a_role_that_comes_twice_once() -> None:
    shared = (RoleRef(ONE, "organization", (TWO,)), RoleRef(ONE, "organization", (THREE,)))
    counts = RoleCounts()
    counts.add([make_key(role_refs=shared) for _ in range(5)])
    assert [(one.role_id, one.keys) for one in counts.ranked()] == [(ONE, 5)]


def test_a_role_has_its_name_if_any_key_told_it() -> None:
    named = make_key(role_refs=(MANAGED,), roles=(Role(TWO, name="admin"), Role(ONE)))
    [one] = count(make_key(role_refs=(MANAGED,)), named)
    assert (one.label, one.name, one.keys) == ("admin", "admin", 2)
    [plain] = count(make_key(role_refs=(MANAGED,)))
    assert (plain.label, plain.name) == (str(TWO), None)


def test_if_no_role_was_told_there_is_nothing_to_show() -> None:
    assert count(make_key(role_refs=UNSET)) == []
    assert count() == []


def test_the_rarest_roles_are_counted_together_so_that_memory_is_bounded() -> None:
    often = [make_key(role_refs=(MANAGED,)) for _ in range(3)]
    rare = [make_key(role_refs=(RoleRef(UUID(int=number)),)) for number in range(10, 15)]
    ranked = count(*often, *rare, most=2)
    assert ranked[0] == RoleCount(str(TWO), RoleKind.MANAGED, 3, TWO)
    assert ranked[-1].label == "other roles"
    assert sum(one.keys for one in ranked) == 8
    assert len(ranked) <= 5


def test_a_key_tells_its_roles_in_their_order() -> None:
    roles = list_key_roles(make_key(role_refs=(MANAGED, RoleRef(ONE)), roles=(Role(ONE, name="reader"),)))
    assert roles is not None
    assert [(role.label, role.is_managed) for role in roles] == [(str(TWO), True), ("reader", False)]
    assert list_key_roles(make_key(role_refs=())) == list_key_roles(make_key(role_refs=None)) == []
    assert list_key_roles(make_key(role_refs=UNSET)) is list_key_roles(None) is None
