import pytest

from accesskeys_async.emulator.routes import Operation, Route, resolve

ORGANIZATION = "c6338b0d-347c-42b1-acc8-99c03fe91815"
KEY = "83887d60-1ceb-4ba7-a2ee-a7b3f7a24d47"
LIST = f"/organizations/{ORGANIZATION}/access-keys"


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", LIST, "list"),
        ("POST", LIST, "create"),
        ("GET", f"{LIST}/{KEY}", "get"),
        ("PATCH", f"{LIST}/{KEY}", "update"),
        ("DELETE", f"{LIST}/{KEY}", "delete"),
        ("DELETE", LIST, None),
        ("HEAD", LIST, None),
        ("OPTIONS", f"{LIST}/{KEY}", None),
    ],
)
def test_a_method_and_a_path_name_an_operation(method: str, path: str, operation: Operation | None) -> None:
    route = resolve(method, path)

    assert route is not None
    assert route.operation == operation
    assert route.organization_id == ORGANIZATION
    assert route.allowed == (("GET", "PATCH", "DELETE") if KEY in path else ("GET", "POST"))


@pytest.mark.parametrize(
    ("segment", "operation"), [("iam-roles", "list_roles"), ("workspaces", "list_workspaces")]
)
def test_the_lists_of_roles_and_workspaces_are_read_alone(segment: str, operation: Operation) -> None:
    path = f"/organizations/{ORGANIZATION}/{segment}"

    assert resolve("GET", path) == Route(operation, ("GET",), ORGANIZATION, None)
    assert resolve("POST", path) == Route(None, ("GET",), ORGANIZATION, None)
    assert resolve("GET", f"{path}/{KEY}") is None


@pytest.mark.parametrize(
    "path",
    ["", "/", "*", "/organizations", f"{LIST}/", f"{LIST}/{KEY}/", f"/{LIST}", "/organizations//access-keys"],
)
def test_other_paths_are_nowhere(path: str) -> None:
    assert resolve("GET", path) is None


def test_an_id_is_taken_in_any_case_and_percent_encoding() -> None:
    assert resolve("GET", f"{LIST}/{KEY.upper()}") == resolve("GET", f"{LIST}/{KEY.replace('-', '%2D')}")
    assert resolve("GET", f"{LIST}/{KEY.upper()}") == resolve("GET", f"{LIST}/{KEY}")


@pytest.mark.parametrize("segment", ["me", KEY[:-1], f"{{{KEY}}}", KEY.replace("-", ""), "%2e%2e", "%ff"])
def test_what_is_not_a_uuid_is_no_id(segment: str) -> None:
    assert resolve("GET", f"{LIST}/{segment}") == Route("get", ("GET", "PATCH", "DELETE"), ORGANIZATION, None)
