import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from accesskeys_async.emulator.population import Population
from accesskeys_async.emulator.records import closed
from accesskeys_async.emulator.roles import Directory

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def records(population: Population, now: datetime = NOW) -> list[dict[str, Any]]:
    return [json.loads(closed(row[4], row[5])) for row in population.rows(now)]


def test_the_same_seed_makes_the_same_fleet_and_another_seed_another() -> None:
    population = Population(1, 2, 20)

    assert list(population.rows(NOW)) == list(Population(1, 2, 20).rows(NOW))
    assert not {r["id"] for r in records(population)} & {r["id"] for r in records(Population(2, 2, 20))}


def test_each_organization_has_its_keys_and_one_more_whose_token_is_told() -> None:
    population = Population(0, 3, 5)

    counted = Counter(record["organizationId"] for record in records(population))

    assert counted == {organization.id: 6 for organization in population.list_organizations()}
    suffixes = [record["suffix"] for record in records(population)][5::6]
    assert suffixes == [organization.token[-6:] for organization in population.list_organizations()]


def test_a_token_does_not_show_in_an_organization() -> None:
    organization = Population().list_organizations()[0]

    assert organization.token not in repr(organization)
    assert organization.id in repr(organization)


def test_keys_are_in_the_order_of_their_making_and_live_in_the_past() -> None:
    made = [record["createdAt"] for record in records(Population(0, 1, 300))]

    assert made == sorted(made)
    assert made[0] > "2023-01-01"
    assert made[-1] == "2026-01-01T00:00:00.000Z"


def test_times_are_possible() -> None:
    for record in records(Population(0, 1, 500)):
        for field in ("lastUsedAt", "updatedAt"):
            moment = record.get(field)
            assert moment is None or record["createdAt"] <= moment <= "2026-01-01T00:00:00.000Z"


def test_a_fleet_has_what_an_audit_looks_for() -> None:
    fleet = records(Population(0, 1, 1000))[:-1]
    names = Counter(record["name"].casefold() for record in fleet)
    used = [record["lastUsedAt"] for record in fleet]

    assert 100 < used.count(None) < 200
    assert sum(moment is not None and moment < "2025-11-17" for moment in used) > 100
    assert sum(moment is not None and moment > "2025-12-18" for moment in used) > 400
    assert sum(count - 1 for count in names.values()) > 20
    assert sum("description" not in record for record in fleet) > 10
    assert sum(record.get("description") == "test" for record in fleet) > 10
    assert sum(", until 20" in record.get("description", "") for record in fleet) > 5
    assert sum(record["name"].startswith("temp-") for record in fleet) > 5
    assert sum("updatedAt" not in record for record in fleet) > 200
    assert len({record["id"] for record in fleet}) == 1000


def test_most_keys_have_one_role_some_two_some_none_and_few_a_managed_one() -> None:
    population = Population(0, 1, 2000)
    fleet = records(population)[:-1]
    counted = Counter(len(record["roleRefs"]) for record in fleet)
    managed = sum(any(ref["type"] == "managed" for ref in record["roleRefs"]) for record in fleet)

    assert {record["type"] for record in fleet} == {"user"}
    assert 150 < counted[0] < 250
    assert counted[1] > 1200
    assert 300 < counted[2] < 500
    assert 5 < counted[4] < 50
    assert set(counted) == {0, 1, 2, 4}
    assert 50 < managed < 300
    for record in fleet:
        assert record["roleIds"] == [ref["id"] for ref in record["roleRefs"]]
        assert len(set(record["roleIds"])) == len(record["roleIds"])


def test_references_name_what_exists_or_a_role_that_was_deleted_in_none_to_two_workspaces() -> None:
    population = Population(0, 1, 2000)
    (organization,) = population.list_organizations()
    directory = Directory(0)
    known, gone = directory.known(organization.id), directory.deleted_role(organization.id)
    refs = [ref for record in records(population) for ref in record["roleRefs"]]
    sizes = Counter(len(ref["workspaces"]) for ref in refs)
    used = {ref["id"] for ref in refs}

    assert used == {*known.roles, gone.id}
    assert set(sizes) == {0, 1, 2}
    assert min(sizes.values()) > 100
    assert {workspace for ref in refs for workspace in ref["workspaces"]} == set(known.workspaces)
    for ref in refs:
        assert len(set(ref["workspaces"])) == len(ref["workspaces"])
        assert ref["id"] == gone.id or ref["type"] == known.roles[ref["id"]].type


def test_the_key_whose_token_is_told_manages_keys() -> None:
    own = records(Population(0, 1, 5))[-1]
    (organization,) = Population().list_organizations()

    role = Directory(0).known(organization.id).roles[own["roleIds"][0]]

    assert (role.name, len(own["roleIds"])) == ("Key manager", 1)


@pytest.mark.parametrize("bounds", [{"organizations": 0}, {"keys_per_organization": -1}])
def test_numbers_below_their_bounds_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(bounds))):
        Population(**bounds)
