from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.audit.rules.permissions import (
    MAX_DEPTH,
    MAX_PATH,
    MAX_RESOURCES,
    Permissions,
    evaluate_roles,
)
from accesskeys_async.records import UNSET, Policy, PolicyDefinition, Role

ORGANIZATION = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
ROOT = f"/organizations/{ORGANIZATION}"
KEYS, ROLES, POLICIES = f"{ROOT}/access-keys", f"{ROOT}/iam-roles", f"{ROOT}/iam-policies"
ALL = ("view", "create", "update", "delete")


def define(effect: Any, resources: Iterable[str], actions: Iterable[str], **fields: Any) -> PolicyDefinition:
    return PolicyDefinition(effect, tuple(resources), tuple(actions), **fields)


def allow(resource: str, *actions: str, **fields: Any) -> PolicyDefinition:
    return define("allow", [resource], actions or ("any",), **fields)


def deny(resource: str, *actions: str, **fields: Any) -> PolicyDefinition:
    return define("deny", [resource], actions or ("any",), **fields)


def evaluate(*definitions: PolicyDefinition) -> Permissions:
    return evaluate_roles([make_role(*definitions)], ORGANIZATION)


def make_role(*definitions: PolicyDefinition, number: int = 1, **fields: Any) -> Role:
    return Role(UUID(int=number), policies=(Policy(UUID(int=number), definitions=definitions),), **fields)


def powers(permissions: Permissions) -> set[str]:
    named = {
        "full": permissions.full_access,
        "keys": permissions.manages_keys,
        "roles": permissions.manages_roles,
    }
    return {name for name, told in named.items() if told is not None}


@pytest.mark.parametrize(
    "resource",
    ["*", "/*", "/**", "/organizations/*", f"{ROOT}/*", f"{ROOT}/**", f"{ROOT.upper()}/*", f"{ROOT}*"],
)
@pytest.mark.parametrize("actions", [("any",), ALL, ("ANY",), ("*",)])
def test_full_access_is_every_action_at_the_root_or_above(resource: str, actions: tuple[str, ...]) -> None:
    assert powers(evaluate(allow(resource, *actions))) == {"full", "keys", "roles"}


@pytest.mark.parametrize(
    "resource",
    [
        ROOT,
        "/organizations",
        "/",
        "",
        "/workspaces/*",
        f"{ROOT}/workspaces/*",
        "/organizations/other/*",
        f"{ROOT}x/*",
    ],
)
def test_a_resource_that_is_narrower_or_elsewhere_is_no_power(resource: str) -> None:
    assert powers(evaluate(allow(resource))) == set()


@pytest.mark.parametrize("missing", ALL)
def test_three_of_four_actions_are_not_full_access(missing: str) -> None:
    left = [action for action in ALL if action != missing]
    assert "full" not in powers(evaluate(allow("*", *left)))
    assert "full" in powers(evaluate(allow("*", *left), allow(f"{ROOT}/*", missing)))


def test_powers_add_up_over_policies_and_roles() -> None:
    roles = [make_role(allow("*", action), number=number) for number, action in enumerate(ALL, 1)]
    assert powers(evaluate_roles(roles, ORGANIZATION)) == {"full", "keys", "roles"}
    assert powers(evaluate_roles(roles[:1], ORGANIZATION)) == set()


@pytest.mark.parametrize(
    "resource", [KEYS, f"{KEYS}/", f"{KEYS}/*", f"{KEYS}/{UUID(int=3)}", f"{KEYS}/a*", f"{KEYS}*"]
)
@pytest.mark.parametrize("action", ["create", "update", "delete", "any"])
def test_managing_keys_is_a_change_at_their_collection_or_below(resource: str, action: str) -> None:
    assert powers(evaluate(allow(resource, action))) == {"keys"}
    assert powers(evaluate(allow(resource, "view"))) == set()


@pytest.mark.parametrize(
    "resource", ["/organizations/*/access-keys", "*/access-keys/*", "/*/access-keys", "/o*s/*/access-keys/a"]
)
def test_a_wildcard_anywhere_may_stand_for_the_keys(resource: str) -> None:
    assert powers(evaluate(allow(resource, "delete"))) == {"keys"}


@pytest.mark.parametrize("resource", [ROLES, f"{ROLES}/*", POLICIES, f"{POLICIES}/{UUID(int=3)}"])
def test_managing_roles_is_a_change_of_roles_or_policies(resource: str) -> None:
    assert powers(evaluate(allow(resource, "update"))) == {"roles"}


@pytest.mark.parametrize("resource", ["*", "/*", "/organizations/*", f"{ROOT}/*"])
def test_a_deny_as_wide_as_the_organization_leaves_nothing(resource: str) -> None:
    assert powers(evaluate(allow("*"), deny(resource))) == set()


def test_a_deny_of_one_action_takes_full_access_and_no_more() -> None:
    assert powers(evaluate(allow("*"), deny("*", "view"))) == {"keys", "roles"}


def test_a_deny_of_the_keys_leaves_the_rest() -> None:
    assert powers(evaluate(allow("*"), deny(KEYS), deny(f"{KEYS}/*"))) == {"full", "roles"}
    assert powers(evaluate(allow("*"), define("deny", [KEYS, f"{KEYS}/*"], ["any"]))) == {"full", "roles"}
    assert powers(evaluate(allow("*"), deny("/organizations/*/access-keys*"))) == {"full", "roles"}


@pytest.mark.parametrize(
    "left",
    [
        deny(KEYS),  # what is below is still there
        deny(f"{KEYS}/*"),  # the collection is still there
        deny(f"{KEYS}*", "create", "update"),
        deny(f"{KEYS}*", conditions_all=({"if": "monday"},)),
        deny(f"/organizations/{UUID(int=5)}/*"),
        deny(f"{KEYS}/{UUID(int=3)}"),
        deny("/organizations/x*/access-keys"),
        deny("/" + "x" * MAX_PATH),
        deny("/x" * (MAX_DEPTH + 1)),
    ],
)
def test_a_deny_that_is_narrower_or_under_conditions_leaves_the_keys(left: PolicyDefinition) -> None:
    assert "keys" in powers(evaluate(allow("*"), left))


def test_a_deny_of_the_very_resource_takes_it_back() -> None:
    odd = "/o*s/*/access-keys/a"
    assert powers(evaluate(allow(odd), deny(odd))) == set()


def test_an_allow_under_conditions_counts_and_says_so() -> None:
    permissions = evaluate(allow("*", conditions_all=({"if": "monday"},)))
    assert permissions.full_access == f"role {UUID(int=1)} allows any on *, under conditions"


@pytest.mark.parametrize(
    "role",
    [
        Role(UUID(int=1)),
        Role(UUID(int=1), policies=(Policy(UUID(int=1)),)),
        make_role(PolicyDefinition(UNSET, ("*",), ("any",))),
        make_role(PolicyDefinition("allow", UNSET, ("any",))),
        make_role(PolicyDefinition("allow", ("*",), UNSET)),
        make_role(define("audit", ["*"], ["any"])),
        make_role(allow("/" + "x" * MAX_PATH)),
        make_role(allow("/x" * (MAX_DEPTH + 1))),
        make_role(allow(f"{KEYS}/*", "write")),
        make_role(allow("*", "publish", "view")),
        make_role(allow(ROLES, "")),
        make_role(allow("/organizations/{id}*")),
        make_role(allow("/organizations/x{id}/access-keys")),
        make_role(allow("/organizations/{id/access-keys")),
    ],
)
def test_what_is_not_told_or_not_known_is_no_power_and_the_evaluation_is_not_whole(role: Role) -> None:
    permissions = evaluate_roles([role], ORGANIZATION)
    assert permissions.doubt
    assert permissions == Permissions(doubt=permissions.doubt)


@pytest.mark.parametrize(
    "definitions",
    [
        [allow("/workspaces/*", "publish")],  # elsewhere
        [allow("*", "publish"), deny("*")],
        [allow(f"{KEYS}/x", "write"), deny(f"{KEYS}/x", "any")],
        [deny("*", "publish")],
        [deny("/organizations/{id}*")],
    ],
)
def test_an_unknown_action_or_template_that_decides_nothing_leaves_no_doubt(
    definitions: list[PolicyDefinition],
) -> None:
    assert evaluate(*definitions) == Permissions()


def test_a_deny_of_the_known_actions_does_not_take_an_unknown_one() -> None:
    assert evaluate(allow(KEYS, "write"), deny("*", *ALL)).doubt


def test_a_power_is_told_in_spite_of_a_doubt() -> None:
    permissions = evaluate(allow("*", "publish", "create"))  # "publish" may be the three others
    assert permissions.doubt
    assert powers(permissions) == {"keys", "roles"}
    assert evaluate(allow("*", "publish", "any")) == evaluate(allow("*", "any"))


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("/organizations/{organizationId}/*", {"full", "keys", "roles"}),
        ("/{collection}/{id}/*", {"full", "keys", "roles"}),
        ("/organizations/{id}/access-keys/*", {"keys"}),
        ("/organizations/{id}/access-keys", {"keys"}),
        ("/organizations/{id}/access-keys/{keyId}", {"keys"}),
        ("/organizations/{id}/iam-roles/{roleId}", {"roles"}),
        ("/organizations/*/{collection}/a", {"keys", "roles"}),
        ("/organizations/{id}/{collection}", {"keys", "roles"}),
        ("*/{id}/access-keys", {"keys"}),
        ("*/organizations/*/access-keys/{keyId}", {"keys"}),
        ("/organizations/{id}", set()),
        ("/organizations/{id}/workspaces/*", set()),
        ("/{id}/access-keys", set()),
        ("/{a}/{b}/{c}/workspaces/{d}", {"keys", "roles"}),
        ("{everything}", set()),
    ],
)
def test_a_template_in_an_allowed_resource_stands_for_any_one_segment(
    resource: str, expected: set[str]
) -> None:
    assert powers(evaluate(allow(resource))) == expected
    assert evaluate(allow(resource)).doubt is None


@pytest.mark.parametrize(
    "resource", ["/organizations/{id}/*", "/{a}/{b}/*", "/{a}/{b}/{c}", f"{ROOT}/{{collection}}", "{a}"]
)
def test_a_template_in_a_denied_resource_takes_nothing_back(resource: str) -> None:
    assert powers(evaluate(allow("*"), deny(resource))) == {"full", "keys", "roles"}
    assert powers(evaluate(allow(f"{resource}/*"), deny(f"{resource}/*"))) == powers(
        evaluate(allow(f"{resource}/*"))
    )


def test_a_denied_prefix_takes_no_template_back_that_looks_like_it() -> None:
    assert powers(evaluate(allow("/organizations/{id}/access-keys"), deny("/organizations/{*"))) == {"keys"}


def test_a_denied_star_takes_back_a_template_that_is_below_it() -> None:
    several = [allow("/organizations/{id}/access-keys/{key}"), deny("/organizations/*/access-keys/*")]
    assert powers(evaluate(*several)) == set()


def test_more_resources_than_the_bound_are_not_evaluated() -> None:
    resources = [f"{KEYS}/{number}" for number in range(MAX_RESOURCES - 1)]
    narrow, back = define("allow", resources, ["any"]), define("deny", resources, ["any"])
    assert evaluate(narrow, narrow, allow("*")).full_access  # repeated ones count once
    assert evaluate(back, allow("*")).full_access
    for several in ([narrow, deny("/x"), allow("*")], [back, allow("/x"), allow("*")]):
        permissions = evaluate(*several)
        assert permissions == Permissions(doubt=permissions.doubt)
        assert f"more than {MAX_RESOURCES} resources" in str(permissions.doubt)


@pytest.mark.slow
@pytest.mark.timeout(30)  # without the bound it takes minutes
@pytest.mark.parametrize("count", [MAX_RESOURCES // 2, 1_000, 20_000])
@pytest.mark.parametrize("part", ["x", "*a", "{id}", "x/" * (MAX_DEPTH - 5) + "x"])
def test_policies_of_any_size_are_evaluated_in_bounded_time(count: int, part: str) -> None:
    # As a policy may be written to keep an auditor busy: each allow is taken back by a deny of its own.
    denied = part.replace("x", "*").replace("{id}", "*")
    several = [
        define("allow", [f"{KEYS}/{part}/{number}" for number in range(count)], ["any"]),
        define("deny", [f"/*/*/*/{denied}/{number}" for number in reversed(range(count))], ["any"]),
    ]
    permissions = evaluate(*several)
    assert powers(permissions) == set()
    assert (permissions.doubt is None) is (count <= MAX_RESOURCES // 2)


# Laws

NAMED = ["organizations", str(ORGANIZATION), "access-keys", "iam-roles", "iam-policies"]
SEGMENTS = [*NAMED, "*", "a*", "x", "{id}"]
RESOURCES = st.one_of(
    st.sampled_from(["*", "/*", f"{ROOT}/*", KEYS, f"{KEYS}/*", f"{KEYS}/x", ROLES, f"{POLICIES}/*", "*/x"]),
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts)),
)
ACTIONS = st.lists(st.sampled_from([*ALL, "any"]), min_size=1, max_size=4)
CONDITIONS = st.sampled_from([UNSET, None, (), ("monday",)])


def definitions(*effects: str) -> st.SearchStrategy[PolicyDefinition]:
    return st.builds(
        define,
        st.sampled_from(effects),
        st.lists(RESOURCES, max_size=3),
        ACTIONS,
        conditions_all=CONDITIONS,
    )


EITHER = st.lists(definitions("allow", "deny"), max_size=6)


@pytest.mark.slow
@given(EITHER, definitions("deny"))
def test_a_deny_more_never_gives_a_power(several: list[PolicyDefinition], another: PolicyDefinition) -> None:
    assert powers(evaluate(*several, another)) <= powers(evaluate(*several))


@pytest.mark.slow
@given(EITHER, definitions("allow"))
def test_an_allow_more_never_takes_a_power(
    several: list[PolicyDefinition], another: PolicyDefinition
) -> None:
    assert powers(evaluate(*several, another)) >= powers(evaluate(*several))


@pytest.mark.slow
@given(EITHER, st.randoms(use_true_random=False))
def test_neither_order_nor_division_into_roles_matters(several: list[PolicyDefinition], chance: Any) -> None:
    shuffled = several.copy()
    chance.shuffle(shuffled)
    roles = [make_role(one, number=chance.randrange(9)) for one in shuffled]
    assert powers(evaluate_roles(roles, ORGANIZATION)) == powers(evaluate(*several))


@pytest.mark.slow
@given(EITHER)
def test_a_deny_of_everything_leaves_nothing(several: list[PolicyDefinition]) -> None:
    assert powers(evaluate(*several, deny("*"))) == set()


@pytest.mark.slow
@given(st.lists(definitions("allow"), max_size=6))
def test_full_access_without_a_deny_has_every_other_power(several: list[PolicyDefinition]) -> None:
    found = powers(evaluate(*several))
    assert "full" not in found or found == {"full", "keys", "roles"}


def fits(pattern: str, path: str, *, crossing: bool) -> bool:
    """Match as plainly as can be; a `*` that is not the last crosses slashes, or does not."""
    if not pattern:
        return not path
    if pattern.startswith("{id}"):
        ends = range(1, len(path.partition("/")[0]) + 1)
        return any(fits(pattern.removeprefix("{id}"), path[end:], crossing=crossing) for end in ends)
    if pattern[0] != "*":
        return path[:1] == pattern[0] and fits(pattern[1:], path[1:], crossing=crossing)
    if fits(pattern[1:], path, crossing=crossing):
        return True
    may_step = bool(path) and (crossing or path[0] != "/" or pattern == "*")
    return may_step and fits(pattern, path[1:], crossing=crossing)


# An id that is spelled out is below any target by chance, if a `*` may be a slash: no resource spells "9f".
PATHS = {
    "keys": {True: [KEYS, f"{KEYS}/9f"], False: [KEYS, f"{KEYS}/x", f"{KEYS}/ab", f"{KEYS}/x/x"]},
    "roles": {
        True: [ROLES, f"{ROLES}/9f", POLICIES, f"{POLICIES}/9f"],
        False: [ROLES, f"{ROLES}/x", f"{ROLES}/ab/x", POLICIES, f"{POLICIES}/ab"],
    },
}


@pytest.mark.slow
@given(EITHER, st.booleans())
def test_no_power_is_missed_however_a_wildcard_is_read(
    several: list[PolicyDefinition], crossing: bool
) -> None:
    # Denies under conditions are taken out: such a deny may hold at any moment, or not.
    firm = [
        evolve(one, conditions_all=()) for one in several if one.effect == "allow" or not one.conditions_all
    ]

    def says(effect: str, action: str, path: str) -> bool:
        return any(
            one.effect == effect
            and {action, "any"} & set(one.actions or ())
            and any(
                fits(resource, path, crossing=crossing)
                for resource in one.resources or ()
                if effect == "allow" or "{" not in resource
            )
            for one in firm
        )

    found = powers(evaluate(*several))
    for power, paths in PATHS.items():
        permitted = [
            (action, path)
            for action in ("create", "update", "delete")
            for path in paths[crossing]
            if says("allow", action, path) and not says("deny", action, path)
        ]
        assert not permitted or power in found, permitted
