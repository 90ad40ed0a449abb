from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async import UNSET
from accesskeys_async.audit import Finding, OrganizationAudit, Severity, Subject, Summary, find_rules
from accesskeys_async.audit.cleanup.apply import compare
from accesskeys_async.audit.cleanup.plan import (
    Plan,
    PlanError,
    Planner,
    Sight,
    check_rules,
    dump_plan,
    load_plan,
)
from accesskeys_async.audit.cleanup.removal_journal import Act
from accesskeys_async.records import AccessKey, Role, RoleRef

T = datetime(2026, 6, 15, 12, tzinfo=UTC)
MOMENTS = st.datetimes(timezones=st.just(UTC))
ORGANIZATION = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")


def _make_key(number: int = 1, **fields: object) -> AccessKey:
    settings = {
        "id": UUID(int=number),
        "organization_id": ORGANIZATION,
        "name": f"key {number}",
        "suffix": f"{number:06}",
        "created_at": T - timedelta(days=400 - number),
        "description": "keeps it going",
        "last_used_at": None,
    }
    return AccessKey(**(settings | fields))  # type: ignore[arg-type]


def _find(key: AccessKey | None, rule: str = "AK002", **fields: object) -> Finding:
    settings = {"is_own_key": False, "suppressed": None} | fields
    finding = Finding(rule, "title", Severity.HIGH, ORGANIZATION, f"{rule} said so", "0" * 32, key)
    return evolve(finding, **settings)


def _plan(*findings: Finding, rules: tuple[str, ...] = ("AK001", "AK002")) -> tuple[Plan, Planner]:
    planner = Planner(frozenset(rules))
    planner.add(OrganizationAudit(Subject(ORGANIZATION), T, findings=findings))
    return planner.finish(Summary(T, 1.0, "ab" * 16, 1, (), 3, (), (), 0)), planner


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"description": "other"},
        {"description": None},
        {"last_used_at": T},
        {"updated_at": T + timedelta(seconds=1)},
        {"suffix": "zzzzzz"},
        {"type": "user"},
        {"created_at": T},
    ],
)
def test_a_sight_tells_any_change_of_what_was_seen(change: dict[str, object]) -> None:
    key = _make_key(updated_at=T, type="service")

    assert Sight.of(key).is_of(key)
    assert not Sight.of(key).is_of(evolve(key, **change))


def test_a_field_that_the_listing_left_out_is_no_change_and_one_that_is_missing_later_is() -> None:
    listed = _make_key()
    read = evolve(listed, updated_at=T, role_ids=("r",))

    assert Sight.of(listed).is_of(read)
    assert not Sight.of(read).is_of(listed)


ROLE, OTHER, WORKSPACE = UUID(int=0xA1), UUID(int=0xB2), UUID(int=3)


@pytest.mark.parametrize(
    ("listed", "read"),
    [
        (
            {"role_refs": (RoleRef(OTHER), RoleRef(ROLE, "managed", (WORKSPACE,))), "role_ids": (str(ROLE),)},
            {"role_refs": (RoleRef(ROLE), RoleRef(OTHER)), "roles": (Role(ROLE, name="admin"), Role(OTHER))},
        ),
        ({"role_refs": (RoleRef(ROLE), RoleRef(ROLE, None, (WORKSPACE,)))}, {"roles": (Role(ROLE),)}),
        ({"role_refs": None}, {"role_refs": (), "roles": ()}),
        ({"role_refs": ()}, {"role_refs": None, "roles": None}),
        ({"role_ids": (str(ROLE).upper(),)}, {"roles": (Role(ROLE),)}),
        ({"role_refs": (RoleRef(ROLE),)}, {"role_refs": (RoleRef(ROLE),)}),
        ({}, {"roles": (Role(ROLE),)}),  # the list does not tell roles
    ],
)
def test_equal_roles_are_no_change_though_a_list_and_a_get_tell_them_differently(
    listed: dict[str, Any], read: dict[str, Any]
) -> None:
    assert Sight.of(_make_key(**listed)).is_of(_make_key(**read))


@pytest.mark.parametrize("before", [(), None, (RoleRef(ROLE),)])
@pytest.mark.parametrize(
    "read",
    [
        {"role_refs": (RoleRef(ROLE), RoleRef(OTHER)), "roles": (Role(ROLE), Role(OTHER))},
        {"role_refs": (RoleRef(OTHER),)},
        {"role_ids": (str(OTHER),)},
        {},  # a get that tells no roles can't say that they are the same
    ],
)
def test_a_role_that_was_given_since_is_a_change_without_updated_at(
    before: tuple[RoleRef, ...] | None, read: dict[str, Any]
) -> None:
    sight = Sight.of(_make_key(role_refs=before))

    assert not sight.is_of(_make_key(**read))
    assert sight.is_of(_make_key(roles=tuple(Role(one.id) for one in before or ())))


def test_a_role_that_only_the_list_tells_is_a_change_unless_the_audit_read_whole_roles() -> None:
    listed = _make_key(role_refs=(RoleRef(ROLE), RoleRef(OTHER)))
    read = _make_key(role_refs=(RoleRef(ROLE),), roles=(Role(ROLE),))

    assert not Sight.of(listed).is_of(read)
    assert Sight.of(evolve(listed, roles=(Role(ROLE),))).is_of(read)


@pytest.mark.slow
@given(st.text(), st.text())
def test_any_two_names_that_differ_look_different(one: str, other: str) -> None:
    assert Sight.of(_make_key(name=one)).is_of(_make_key(name=other)) == (one == other)


def test_a_plan_has_the_keys_of_its_rules_alone_each_once_and_the_oldest_first() -> None:
    old, young, other = _make_key(1), _make_key(2), _make_key(3)

    plan, _ = _plan(_find(young), _find(old), _find(old, "AK001"), _find(other, "AK003"), _find(None))

    assert [candidate.key_id for candidate in plan.candidates] == [old.id, young.id]
    assert plan.candidates[0].reasons == {"AK002": "AK002 said so", "AK001": "AK001 said so"}
    assert (plan.made_at, plan.rules, plan.is_complete) == (T, ("AK001", "AK002"), True)


def test_the_auditors_own_key_is_never_offered() -> None:
    plan, planner = _plan(_find(_make_key(), is_own_key=True))

    assert (plan.candidates, planner.own) == ((), 1)


def test_a_key_with_one_suppressed_finding_is_left_out_even_if_another_rule_found_it() -> None:
    key = _make_key()

    plan, planner = _plan(_find(key), _find(key, "AK001", suppressed="seasonal"))

    assert (plan.candidates, planner.suppressed) == ((), 1)


def test_a_key_whose_last_use_is_not_known_is_left_out() -> None:
    plan, planner = _plan(_find(_make_key(last_used_at=UNSET)))

    assert (plan.candidates, planner.unknown) == ((), 1)


def test_the_name_of_a_key_with_a_secret_in_its_metadata_is_withheld() -> None:
    key = _make_key(name="ak_live_51H8sLmQZxP0")

    plan, _ = _plan(_find(key), _find(key, "AK024"))

    assert b"ak_live" not in dump_plan(plan)
    assert plan.candidates[0].sight.is_of(key)


def test_an_audit_that_is_not_complete_makes_a_plan_that_says_so() -> None:
    planner = Planner(frozenset({"AK001"}))
    unreadable = ((Subject(ORGANIZATION), None),)

    plan = planner.finish(Summary(T, 1.0, "", 1, unreadable, 0, (), (), 0))  # type: ignore[arg-type]

    assert not plan.is_complete


@pytest.mark.slow
@given(st.text(), MOMENTS, st.none() | MOMENTS)
def test_a_plan_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, name: str, created: datetime, used: datetime | None
) -> None:
    plan, _ = _plan(
        _find(_make_key(1, name=name, created_at=created, last_used_at=used)), _find(_make_key(2))
    )
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_bytes(dump_plan(plan))

    assert load_plan(path) == plan
    assert load_plan(path).hash == plan.hash


def test_a_plan_can_be_read_by_a_person_a_line_for_each_key() -> None:
    plan, _ = _plan(_find(_make_key(1)), _find(_make_key(2)))

    lines = dump_plan(plan).decode().splitlines()

    assert len(lines) == 4
    assert json.loads(lines[1].rstrip(","))["reasons"] == {"AK002": "AK002 said so"}


def test_a_plan_from_which_a_key_was_struck_out_is_another_plan(tmp_path: Path) -> None:
    plan, _ = _plan(_find(_make_key(1)), _find(_make_key(2)))
    document = json.loads(dump_plan(plan))
    del document["keys"][0]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))

    struck = load_plan(path)

    assert [candidate.key_id for candidate in struck.candidates] == [UUID(int=2)]
    assert struck.hash != plan.hash


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        (lambda lines: [lines[0], *lines[2:]], [2, 3]),
        (lambda lines: [*lines[:3], lines[4]], [1, 2]),
        (lambda lines: [lines[0], lines[4]], []),
        (lambda lines: ["# read by pat", lines[0], lines[1], "# " + lines[2], "", *lines[3:]], [1, 3]),
        (lambda lines: [lines[0], lines[3], lines[1], lines[4]], [3, 1]),
        (lambda lines: lines[:2], [1]),
    ],
)
def test_a_plan_whose_lines_were_removed_is_read(
    tmp_path: Path, edit: Callable[[list[str]], list[str]], left: list[int]
) -> None:
    plan, _ = _plan(*(_find(_make_key(number)) for number in (1, 2, 3)))
    path = tmp_path / "plan.json"
    path.write_text("\r\n".join(edit(dump_plan(plan).decode().splitlines())))

    found = load_plan(path)

    assert [candidate.key_id.int for candidate in found.candidates] == left
    assert evolve(found, candidates=plan.candidates) == plan


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda lines: [lines[0], lines[1][:-9], *lines[2:]], "line 2: is not the line of a key; remove it"),
        (lambda lines: [*lines[:2], "keep me", *lines[2:]], "line 3: is not the line of a key"),
        (
            lambda lines: [*lines[:2], lines[1], *lines[2:]],
            "line 3: key .* is there already; remove this line",
        ),
        (lambda lines: [lines[0], lines[1], lines[2].replace('"id"', '"di"'), lines[3]], "line 3: is not as"),
    ],
)
def test_a_mistake_in_a_plan_is_told_with_its_line(
    tmp_path: Path, edit: Callable[[list[str]], list[str]], told: str
) -> None:
    plan, _ = _plan(_find(_make_key(1)), _find(_make_key(2)))
    path = tmp_path / "plan.json"
    path.write_text("\n".join(edit(dump_plan(plan).decode().splitlines())))

    with pytest.raises(PlanError, match=told) as caught:
        load_plan(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda document: document.update(format="x"), "is not a plan of this version"),
        (lambda document: document.update(keys=7), "is not a plan"),
        (lambda document: document.update(madeAt="soon"), r"the first line: is not as a plan has it"),
        (lambda document: document["keys"][1].pop("seen"), r"keys #2: is not as a plan has it"),
        (lambda document: document["keys"][1].update(seen=7), r"keys #2: .* objects"),
        (lambda document: document["keys"][1].update(id="x"), r"keys #2: "),
        (lambda document: document["keys"][1].update(name=None), r"keys #2: .*name is no text"),
        (lambda document: document["keys"].append(document["keys"][0]), "is there already"),
    ],
)
def test_a_plan_that_was_spoiled_is_refused_with_its_place(
    tmp_path: Path, spoil: Callable[[dict], object], told: str
) -> None:
    plan, _ = _plan(_find(_make_key(1)), _find(_make_key(2)))
    document = json.loads(dump_plan(plan))
    spoil(document)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))

    with pytest.raises(PlanError, match=told) as caught:
        load_plan(path)
    assert str(path) in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not a plan; make one with: accesskeys audit plan"),
        ("[]", "is not a plan"),
        ("[" * 100_000, "is not a plan"),
        ("", "is not a plan"),
        (b"\xff", "is not text in UTF-8"),
        (None, "can't be read"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str | bytes | None, told: str) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(PlanError, match=told):
        load_plan(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ((), "needs a rule"),
        (("AK999",), "there is no rule AK999; there is AK001, "),
        (("AK101",), r"AK101 .* finds no single keys"),
        (("AK001", "AK010"), r"AK010 \(too many keys\) finds no single keys"),
    ],
)
def test_rules_that_name_no_keys_make_no_plan(rules: tuple[str, ...], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        check_rules(rules, find_rules())


def test_rules_about_keys_make_one() -> None:
    assert check_rules(["AK001", "AK001", "AK002"], find_rules()) == {"AK001", "AK002"}


def test_a_key_of_which_nobody_can_say_any_more_when_it_was_used_is_left_alone() -> None:
    key = _make_key()
    [candidate] = _plan(_find(key))[0].candidates

    assert compare(candidate, key) is None
    assert compare(candidate, evolve(key, last_used_at=UNSET)) == (
        Act.CHANGED,
        "the answer did not say when it was last used",
    )
    assert compare(candidate, evolve(key, last_used_at=T)) == (Act.USED, "used on 2026-06-15 12:00 UTC")


def test_a_last_use_that_went_back_to_never_is_a_use_that_nobody_can_date() -> None:
    key = _make_key(last_used_at=T)
    [candidate] = _plan(_find(key))[0].candidates

    assert compare(candidate, evolve(key, last_used_at=None)) == (Act.USED, "used since")
