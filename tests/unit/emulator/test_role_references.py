from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator.role_references import read_roles
from accesskeys_async.emulator.roles import Directory, StoredRoleRef

ORGANIZATION = "c6338b0d-347c-42b1-acc8-99c03fe91815"
KNOWN = Directory(0).known(ORGANIZATION)
ROLES = tuple(KNOWN.roles)
WORKSPACES = tuple(KNOWN.workspaces)
OTHER = Directory(0).known("85939ed9-0672-41a3-8723-90aca65baf41")
NOBODY = "11111111-2222-4333-8444-555555555555"
MANAGED = KNOWN.refer("Viewer").id
OWN = KNOWN.refer("Key manager").id


def read(body: dict[str, Any]) -> tuple[tuple[StoredRoleRef, ...] | None, dict[str, list[str]]]:
    details: dict[str, list[str]] = {}
    return read_roles(body, KNOWN, details), details


@given(
    st.lists(st.tuples(st.sampled_from(ROLES), st.sets(st.sampled_from(WORKSPACES))), min_size=1, max_size=5)
)
def test_references_to_what_exists_are_read_in_their_order(drawn: list[tuple[str, set[str]]]) -> None:
    wanted = dict(drawn)
    body = [{"id": role.upper(), "workspaces": sorted(found)} for role, found in wanted.items()]

    refs, details = read({"roleRefs": body})

    assert not details
    assert refs is not None
    assert [(ref.id, ref.workspaces) for ref in refs] == [
        (role, tuple(sorted(found))) for role, found in wanted.items()
    ]


def test_one_role_may_be_given_with_different_workspaces() -> None:
    sent = [{"id": MANAGED, "workspaces": [workspace]} for workspace in WORKSPACES[:2]] + [{"id": MANAGED}]

    refs, details = read({"roleRefs": sent})

    assert not details
    assert refs is not None
    assert [ref.workspaces for ref in refs] == [(WORKSPACES[0],), (WORKSPACES[1],), ()]


def test_the_type_is_the_roles_own_whether_it_is_sent_or_not() -> None:
    sent = [{"id": MANAGED, "type": "managed"}, {"id": OWN}]

    refs, details = read({"roleRefs": sent})

    assert not details
    assert refs == (StoredRoleRef(MANAGED, "managed"), StoredRoleRef(OWN, "organization"))


def test_role_ids_are_references_without_workspaces() -> None:
    assert read({"roleIds": [MANAGED, OWN]}) == (
        (StoredRoleRef(MANAGED, "managed"), StoredRoleRef(OWN, "organization")),
        {},
    )


def test_a_body_that_names_no_roles_leaves_them_as_they_are() -> None:
    assert read({"name": "x"}) == (None, {})


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (None, {""}),
        ("x", {""}),
        ({}, {""}),
        ([], {""}),
        ([{"id": role} for role in ROLES[:6]], {""}),
        ([None], {"[0]"}),
        ([MANAGED], {"[0]"}),
        ([{}], {"[0].id"}),
        ([{"id": None}], {"[0].id"}),
        ([{"id": "admin"}], {"[0].id"}),
        ([{"id": NOBODY}], {"[0].id"}),
        ([{"id": OTHER.refer("Key manager").id}], {"[0].id"}),
        ([{"id": MANAGED}, {"id": MANAGED.upper()}], {"[1]"}),
        ([{"id": MANAGED, "workspaces": [WORKSPACES[0]]}] * 2, {"[1]"}),
        ([{"id": MANAGED}, {"id": MANAGED, "workspaces": []}], {"[1]"}),
        (
            [{"id": MANAGED, "workspaces": list(some)} for some in (WORKSPACES[:2], WORKSPACES[1::-1])],
            {"[1]"},
        ),
        ([{"id": MANAGED, "type": "organization"}], {"[0].type"}),
        ([{"id": MANAGED, "type": 1}], {"[0].type"}),
        ([{"id": MANAGED, "colour": "red"}], {"[0].colour"}),
        ([{"id": MANAGED, "workspaces": None}], {"[0].workspaces"}),
        ([{"id": MANAGED, "workspaces": ["x"]}], {"[0].workspaces[0]"}),
        ([{"id": MANAGED, "workspaces": [WORKSPACES[0], NOBODY]}], {"[0].workspaces[1]"}),
        ([{"id": MANAGED, "workspaces": [next(iter(OTHER.workspaces))]}], {"[0].workspaces[0]"}),
        ([{"id": MANAGED, "workspaces": [WORKSPACES[0]] * 2}], {"[0].workspaces[1]"}),
        ([{"id": "x"}, {"id": MANAGED}, {"id": NOBODY}], {"[0].id", "[2].id"}),
    ],
)
def test_other_references_are_refused_at_their_place(value: Any, paths: set[str]) -> None:
    assert set(read({"roleRefs": value})[1]) == {f".roleRefs{path}" for path in paths}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, ""),
        (MANAGED, ""),
        ([], ""),
        (list(ROLES[:6]), ""),
        ([1], "[0]"),
        (["admin"], "[0]"),
        ([NOBODY], "[0]"),
        ([MANAGED, MANAGED], "[1]"),
        ([{"id": MANAGED}], "[0]"),
    ],
)
def test_other_role_ids_are_refused_at_their_place(value: Any, path: str) -> None:
    assert list(read({"roleIds": value})[1]) == [f".roleIds{path}"]


def test_role_refs_and_role_ids_together_are_refused() -> None:
    assert list(read({"roleRefs": [{"id": MANAGED}], "roleIds": [MANAGED]})[1]) == [".roleIds"]
