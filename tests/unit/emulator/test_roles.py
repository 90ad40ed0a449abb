from accesskeys_async.emulator.roles import Directory, StoredRoleRef

FIRST = "c6338b0d-347c-42b1-acc8-99c03fe91815"
SECOND = "85939ed9-0672-41a3-8723-90aca65baf41"


def test_roles_and_workspaces_follow_from_the_seed_and_the_organization() -> None:
    known = Directory(1).known(FIRST)

    assert known == Directory(1).known(FIRST)
    assert not known.roles.keys() & Directory(2).known(FIRST).roles.keys()
    assert not known.workspaces.keys() & Directory(1).known(SECOND).workspaces.keys()


def test_managed_roles_are_the_same_in_every_organization_and_the_others_are_its_own() -> None:
    directory = Directory(0)
    first, second = directory.known(FIRST).roles, directory.known(SECOND).roles

    shared = first.keys() & second.keys()

    assert shared == {role.id for role in first.values() if role.type == "managed"}
    assert {role.organization_id for role in first.values()} == {None, FIRST}
    assert all("organizationId" not in first[role_id].to_json() for role_id in shared)


def test_a_policy_of_an_organization_names_that_organization_alone() -> None:
    roles = Directory(0).known(FIRST).roles.values()

    resources = [
        resource
        for role in roles
        if role.type == "organization"
        for definition in role.definitions
        for resource in definition.resources
    ]

    assert resources
    assert all(resource.startswith(f"/organizations/{FIRST}/") for resource in resources)


def test_every_id_is_another() -> None:
    known = Directory(0).known(FIRST)
    policies = [policy.id for role in known.roles.values() for policy in role.policies]
    gone = Directory(0).deleted_role(FIRST).id

    ids = [*known.roles, *known.workspaces, *policies, gone]

    assert len(set(ids)) == len(ids)


def test_a_role_that_was_deleted_is_not_found() -> None:
    directory = Directory(0)
    known = directory.known(FIRST)

    found = known.find([directory.deleted_role(FIRST), known.refer("Viewer")])

    assert [role.name for role in found] == ["Viewer"]


def test_a_reference_is_written_with_its_workspaces_even_without_any() -> None:
    assert StoredRoleRef("r", "managed").to_json() == {"id": "r", "type": "managed", "workspaces": []}
