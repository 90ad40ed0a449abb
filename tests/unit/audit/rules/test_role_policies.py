from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from accesskeys_async.audit import Snapshot, Subject, Verdict
from accesskeys_async.records import UNSET, AccessKey, Policy, PolicyDefinition, Role, RoleRef
from tests.unit.audit.judged import AT, ORGANIZATION, ask_of, found, make_key

ROOT = f"/organizations/{ORGANIZATION}"
ADMIN, READER = UUID(int=0xAD), UUID(int=0x4E)
RULES = ("AK036", "AK037", "AK038", "AK039")


def role(role_id: UUID, *definitions: PolicyDefinition, name: str = "admin") -> Role:
    return Role(role_id, ORGANIZATION, name, policies=(Policy(UUID(int=9), definitions=definitions),))


def allow(resource: str, *actions: str) -> PolicyDefinition:
    return PolicyDefinition("allow", (resource,), actions)


def key_with(*roles: Role, **fields: Any) -> AccessKey:
    refs = tuple(RoleRef(one.id, "organization") for one in roles)
    return make_key(**{"roles": roles, "role_refs": refs, **fields})


def ask(rule: str, *keys: AccessKey, unread: dict[UUID, str] | None = None) -> Verdict:
    return ask_of(rule, Snapshot(Subject(ORGANIZATION), AT, keys, unread_roles=unread or {}))


FULL = key_with(role(ADMIN, allow(f"{ROOT}/*", "any")))
VIEW = key_with(role(READER, allow("/*", "view"), name="reader"))


def test_full_access_is_found_with_the_role_that_gives_it() -> None:
    verdict = ask("AK036", FULL, VIEW)
    assert found(verdict) == [FULL]
    assert verdict.hits[0].message == f"role admin allows any on {ROOT}/*"
    assert verdict.not_evaluated == 0


def test_whoever_has_full_access_may_manage_keys_and_roles() -> None:
    assert found(ask("AK037", FULL, VIEW)) == found(ask("AK038", FULL, VIEW)) == [FULL]


def test_managing_keys_is_found_below_and_at_the_collection_and_above_by_wildcard() -> None:
    keys = [
        key_with(role(ADMIN, allow(resource, action)))
        for resource, action in (
            (f"{ROOT}/access-keys", "create"),
            (f"{ROOT}/access-keys/*", "delete"),
            (f"{ROOT}/access-keys/{UUID(int=1)}", "update"),
            (f"{ROOT}/*", "update"),
        )
    ]
    assert found(ask("AK037", VIEW, *keys)) == keys
    assert found(ask("AK038", VIEW, *keys)) == keys[3:]
    assert ask("AK037", keys[0]).hits[0].message == f"role admin allows create on {ROOT}/access-keys"


@pytest.mark.parametrize("what", ["iam-roles", "iam-policies"])
def test_managing_roles_or_policies_is_found(what: str) -> None:
    key = key_with(role(ADMIN, allow(f"{ROOT}/{what}", "update")))
    assert found(ask("AK038", key, VIEW)) == [key]
    assert found(ask("AK037", key)) == []


def test_a_role_that_the_get_does_not_tell_is_gone() -> None:
    gone = key_with(role(ADMIN), role_refs=(RoleRef(ADMIN), RoleRef(READER)))
    null = make_key(roles=None, role_refs=(RoleRef(READER),))
    verdict = ask("AK039", gone, null, FULL, make_key(roles=(), role_refs=None))
    assert found(verdict) == [gone, null]
    assert verdict.hits[0].message == f"GET does not return role {READER}"


def test_a_key_whose_references_or_roles_are_not_told_may_have_lost_one() -> None:
    verdict = ask("AK039", make_key(roles=(), role_refs=UNSET), make_key(roles=UNSET), FULL)
    assert (found(verdict), verdict.not_evaluated) == ([], 2)
    assert verdict.reason == "the response did not tell all of the key's roles"


@pytest.mark.parametrize("rule", RULES)
def test_without_a_reading_of_roles_nothing_is_evaluated_and_the_reason_says_how_to_get_one(
    rule: str,
) -> None:
    verdict = ask_of(rule, Snapshot(Subject(ORGANIZATION), AT, (make_key(), make_key())))
    assert (list(verdict.hits), verdict.not_evaluated) == ([], 2)
    assert (
        verdict.reason == "roles were not requested; use --roles, which sends one more request for each key"
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_key_that_could_not_be_read_is_never_passed(rule: str) -> None:
    gone, denied = make_key(), make_key()
    verdict = ask(rule, gone, denied, VIEW, unread={gone.id: "missing", denied.id: "permission"})
    assert (list(verdict.hits), verdict.not_evaluated) == ([], 2)
    assert verdict.reason == "roles could not be read: missing, permission"
    alone = ask(rule, denied, unread={denied.id: "permission"})
    assert (alone.not_evaluated, alone.reason) == (1, "roles could not be read: permission")


@pytest.mark.parametrize("rule", RULES[:3])
def test_policies_that_are_not_told_are_not_evaluated_unless_what_is_told_suffices(rule: str) -> None:
    silent = key_with(Role(READER))
    partly = key_with(Role(READER), *(FULL.roles or ()))
    verdict = ask(rule, silent, partly)
    assert (found(verdict), verdict.not_evaluated) == ([partly], 1)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES[:3])
def test_policies_that_are_not_understood_or_too_large_are_not_evaluated_and_the_reason_says_so(
    rule: str,
) -> None:
    odd = key_with(role(ADMIN, allow("*", "write")))
    large = key_with(role(ADMIN, PolicyDefinition("allow", tuple(map(str, range(501))), ("any",))))
    unread = make_key()
    reasons = [
        "a policy has an effect, an action or a resource that is not understood",
        "the key's roles have more than 500 resources, which are not evaluated",
    ]
    for key, reason in zip((odd, large), reasons, strict=True):
        verdict = ask(rule, key, VIEW)
        assert (list(verdict.hits), verdict.not_evaluated, verdict.reason) == ([], 1, reason)
    verdict = ask(rule, odd, large, unread, unread={unread.id: "permission"})
    assert verdict.reason == "; ".join(["roles could not be read: permission", *reasons])


def test_equal_roles_of_many_keys_are_evaluated_once() -> None:
    def make_equal_role() -> Role:  # of 250 allowed resources, each denied by a pattern of its own
        allowed = tuple(f"{ROOT}/access-keys/x/a{number}" for number in range(250))
        denied = tuple(f"/*/*/*/x/a{number}" for number in range(250))
        definitions = [
            PolicyDefinition(effect, paths, ("any",))
            for effect, paths in (("allow", allowed), ("deny", denied))
        ]
        return role(ADMIN, *definitions)

    keys = [key_with(make_equal_role()) for _ in range(200)]
    began = time.process_time()
    verdict = ask("AK037", *keys)
    assert time.process_time() - began < 1.5
    assert (list(verdict.hits), verdict.not_evaluated) == ([], 0)


def test_a_name_that_someone_chose_stays_on_one_line_and_short() -> None:
    verdict = ask("AK036", key_with(role(ADMIN, allow("*", "any"), name="\x1b[31m\n" + "x" * 300)))
    assert verdict.hits[0].message.isprintable()
    assert len(verdict.hits[0].message) < 200
