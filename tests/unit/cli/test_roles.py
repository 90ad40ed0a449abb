"""Roles, from the option to the service and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from accesskeys_async.emulator import Emulator

Call = Callable[..., Any]
NEW = ("create", "--name", "deploy", "--description", "for the pipeline", "--show-token")


@pytest.mark.slow
def test_a_key_is_created_with_its_roles_and_shows_them(service: Emulator, call: Call) -> None:
    role, other = (role.id for role in service.roles(service.organization_id)[:2])
    workspace = service.workspaces(service.organization_id)[0].id

    done = call(*NEW, "--role", role, "--role", f"{other}:{workspace}")

    assert (done.code, done.err) == (0, "")
    key = json.loads(done.out)
    assert [ref["id"] for ref in key["roleRefs"]] == [role, other]
    assert key["roleRefs"][1]["workspaces"] == [workspace]
    found = json.loads(call("get", key["id"], "--format", "json").out)
    assert [whole["id"] for whole in found["roles"]] == [role, other]
    assert found["roles"][0]["policies"][0]["definitions"]
    shown = call("get", key["id"], "--format", "table").out
    assert role in shown.partition("\nroles ")[2]
    assert "policy " in shown
    listed = [json.loads(line) for line in call("list").out.splitlines()]
    assert [one["roleRefs"] for one in listed if one["id"] == key["id"]] == [key["roleRefs"]]


@pytest.mark.slow
def test_an_update_replaces_all_roles_of_a_key(service: Emulator, call: Call) -> None:
    first, second = (role.id for role in service.roles(service.organization_id)[:2])
    key = json.loads(call(*NEW, "--role", first).out)

    updated = json.loads(call("update", key["id"], "--role", second).out)

    assert [ref["id"] for ref in updated["roleRefs"]] == [second]
    assert updated["name"] == "deploy"
