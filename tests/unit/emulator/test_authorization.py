import fnmatch
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator.authorization import AccessControl, is_allowed, matches
from accesskeys_async.emulator.roles import Action, Directory, StoredDefinition

ORGANIZATION = "c6338b0d-347c-42b1-acc8-99c03fe91815"
KEYS = f"/organizations/{ORGANIZATION}/access-keys"
KEY = f"{KEYS}/83887d60-1ceb-4ba7-a2ee-a7b3f7a24d47"
KNOWN = Directory(0).known(ORGANIZATION)

texts = st.text("ab/", max_size=8)
resources = st.text("ab/*", max_size=8)
actions = st.sampled_from(get_args(Action))
definitions = st.builds(
    StoredDefinition,
    st.sampled_from(["allow", "deny"]),
    st.lists(resources, max_size=3).map(tuple),
    st.lists(actions, max_size=3).map(tuple),
)
policies = st.lists(definitions, max_size=5)
requests = st.sampled_from(["view", "create", "update", "delete"])


@given(resources, texts)
def test_a_star_stands_for_any_characters_and_all_else_for_itself(resource: str, path: str) -> None:
    assert matches(resource, path) == fnmatch.fnmatchcase(path, resource)


def test_many_stars_take_no_more_than_a_moment() -> None:
    assert not matches("*a" * 10_000 + "b", "a" * 20_000)


@given(requests, texts)
def test_nothing_is_allowed_without_a_definition(action: Action, path: str) -> None:
    assert not is_allowed([], action, path)


@given(policies, requests, texts, st.randoms())
def test_the_order_of_definitions_does_not_matter(
    given_definitions: list[StoredDefinition], action: Action, path: str, random: Random
) -> None:
    shuffled = list(given_definitions)
    random.shuffle(shuffled)

    assert is_allowed(shuffled, action, path) == is_allowed(given_definitions, action, path)


@given(policies, definitions, requests, texts)
def test_one_more_denial_never_allows_and_one_more_allowance_never_denies(
    given_definitions: list[StoredDefinition], more: StoredDefinition, action: Action, path: str
) -> None:
    before = is_allowed(given_definitions, action, path)
    after = is_allowed([*given_definitions, more], action, path)

    assert after <= before if more.effect == "deny" else after >= before


@given(policies, requests, texts)
def test_a_denial_of_everything_wins_over_whatever_is_allowed(
    given_definitions: list[StoredDefinition], action: Action, path: str
) -> None:
    deny = StoredDefinition("deny", ("*",), ("any",))

    assert not is_allowed([*given_definitions, deny], action, path)


@given(st.lists(resources, min_size=1).map(tuple), requests, texts)
def test_any_is_every_action(named: tuple[str, ...], action: Action, path: str) -> None:
    one_by_one = StoredDefinition("allow", named, ("view", "create", "update", "delete"))

    assert is_allowed([StoredDefinition("allow", named, ("any",))], action, path) == is_allowed(
        [one_by_one], action, path
    )


@given(st.lists(resources, min_size=1).map(tuple), requests, requests, texts)
def test_an_action_that_is_not_named_is_not_allowed(
    named: tuple[str, ...], granted: Action, action: Action, path: str
) -> None:
    allowed = is_allowed([StoredDefinition("allow", named, (granted,))], action, path)

    assert allowed == (granted == action and any(matches(resource, path) for resource in named))


@pytest.mark.parametrize(
    ("role", "listing", "creating", "deleting"),
    [
        ("Administrator", True, True, True),
        ("Viewer", True, False, False),
        ("Billing", False, False, False),
        ("Key manager", True, True, True),
        ("Key auditor", True, False, False),
        ("Key operator", True, True, False),
        ("Role manager", False, False, False),
        ("Message sender", False, False, False),
    ],
)
def test_the_seeded_roles_allow_what_their_names_say(
    role: str, listing: bool, creating: bool, deleting: bool
) -> None:
    (found,) = KNOWN.find([KNOWN.refer(role)])

    assert is_allowed(found.definitions, "view", KEYS) == listing
    assert is_allowed(found.definitions, "create", KEYS) == creating
    assert is_allowed(found.definitions, "delete", KEY) == deleting


def test_a_role_of_one_organization_allows_nothing_in_another() -> None:
    other = Directory(0).known("85939ed9-0672-41a3-8723-90aca65baf41")
    (manager,) = other.find([other.refer("Key manager")])

    assert not is_allowed(manager.definitions, "view", KEYS)


@pytest.mark.parametrize("enforced", [True, False])
def test_a_reset_enforces_roles_as_at_the_start(enforced: bool) -> None:
    access = AccessControl(enforced=enforced)
    access.enforced = not enforced

    access.reset()

    assert access.enforced == enforced
