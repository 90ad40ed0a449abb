"""The emulator against its own OpenAPI document, by generated requests over real HTTP."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

import accesskeys_async.emulator
from accesskeys_async.emulator import Emulator
from accesskeys_async.emulator.population import Population
from accesskeys_async.emulator.roles import Directory

DOCUMENT = json.loads(Path(accesskeys_async.emulator.__file__).with_name("openapi.json").read_text())
POPULATION = Population(keys_per_organization=5)
# A text is not yet a page token: only the emulator can make one, and it refuses every other with 422.
CHECKS = {"positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "422"]}}
bounded = settings(
    max_examples=30,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def load(document: dict[str, Any]) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict({"checks": CHECKS}))


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(keys_per_organization=POPULATION.keys_per_organization) as emulator:
        yield emulator


@load(DOCUMENT).parametrize()
@bounded
def test_every_answer_to_a_stranger_is_in_the_document(
    case: schemathesis.Case[Any], emulator: Emulator
) -> None:
    case.call_and_validate(base_url=emulator.base_url)


def narrow_to_a_member() -> dict[str, Any]:
    """Return the document for a member of an organization: with ids that exist, and a token at hand."""
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    del document["security"], document["components"]["securitySchemes"]
    oldest, *_ = POPULATION.rows(datetime.now(UTC))
    for parameter, value in (("organizationId", oldest[0]), ("accessKeyId", oldest[1])):
        document["components"]["parameters"][parameter]["schema"] = {"type": "string", "enum": [value]}
    known = Directory(POPULATION.seed).known(oldest[0])
    schemas = document["components"]["schemas"]
    reference = schemas["RoleReference"]["properties"]
    reference["id"] = schemas["RoleIds"]["items"] = {"type": "string", "enum": list(known.roles)}
    reference["workspaces"]["items"] = {"type": "string", "enum": list(known.workspaces)}
    return document


@load(narrow_to_a_member()).parametrize()
@bounded
def test_every_answer_to_a_member_is_in_the_document(
    case: schemathesis.Case[Any], emulator: Emulator
) -> None:
    emulator.reset()

    case.call_and_validate(
        base_url=emulator.base_url, headers={"Authorization": f"AccessKey {emulator.token}"}
    )


def test_the_document_is_served_as_it_is_shipped(emulator: Emulator) -> None:
    with urllib.request.urlopen(f"{emulator.base_url}/openapi.json") as response:
        assert json.loads(response.read()) == DOCUMENT


def test_the_document_has_the_contracts_operations_and_bounds() -> None:
    operations = {
        operation["operationId"]: set(operation["responses"])
        for path in DOCUMENT["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    }
    schemas = DOCUMENT["components"]["schemas"]
    create = schemas["AccessKeyCreate"]

    assert operations.keys() == {
        "listAccessKeys", "createAccessKey", "getAccessKey", "updateAccessKey", "deleteAccessKey",
        "listRoles", "listWorkspaces",
    }  # fmt: skip
    assert all({"401", "403", "404", "429"} <= statuses for statuses in operations.values())
    assert create["required"] == ["name", "description"]
    for field in ("name", "description"):
        bounds = create["properties"][field]
        assert (bounds["minLength"], bounds["maxLength"]) == (1, 256)
        assert schemas["AccessKeyUpdate"]["properties"][field] == bounds
    for name in ("RoleIds", "RoleReferences"):
        assert (schemas[name]["minItems"], schemas[name]["maxItems"]) == (1, 5)
        assert schemas[name]["uniqueItems"]
    for name in ("AccessKeyCreate", "AccessKeyUpdate", "RoleReference"):
        assert schemas[name]["additionalProperties"] is False
    assert set(schemas["CreatedAccessKey"]["required"]) == {"accessKey", "token"}
    assert {"roleRefs", "roleIds"} <= set(schemas["AccessKey"]["required"])
    assert "roles" in schemas["AccessKeyWithRoles"]["required"]
    assert not {"roleRefs", "roleIds"} & set(schemas["AccessKeyWithRoles"]["properties"])
    assert DOCUMENT["components"]["parameters"]["limit"]["schema"] == {
        "type": "integer", "minimum": 1, "maximum": 100, "default": 10
    }  # fmt: skip
