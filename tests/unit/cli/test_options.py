from __future__ import annotations

from uuid import UUID

import pytest

from accesskeys_async.cli.exits import CommandError
from accesskeys_async.cli.options import check_role_options, read_role_option
from accesskeys_async.records import UNSET, RoleRef

ROLE, ONE, TWO = (UUID(int=number) for number in range(1, 4))


def test_a_role_is_read_with_its_workspaces() -> None:
    assert read_role_option(None) is read_role_option([]) is UNSET
    assert read_role_option([str(ROLE), f"{ONE}:{TWO}", f"{TWO}:{ONE}, {TWO}"]) == (
        RoleRef(ROLE),
        RoleRef(ONE, workspaces=(TWO,)),
        RoleRef(TWO, workspaces=(ONE, TWO)),
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("admin", "the role's id is 5 characters and not a UUID"),
        ("", "the role's id is 0 characters and not a UUID"),
        (f"{ROLE}:", "a workspace's id is 0 characters and not a UUID"),
        (f"{ROLE}:{ONE},", "a workspace's id is 0 characters and not a UUID"),
        (f"{ROLE}:eu", "a workspace's id is 2 characters and not a UUID"),
    ],
)
def test_a_role_in_another_form_is_refused_with_the_form(text: str, what: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_role_option([text])
    assert str(caught.value).startswith("--role takes ROLE_ID[:WORKSPACE_ID,…], and ")
    assert what in str(caught.value)


def test_roles_are_given_in_one_form() -> None:
    check_role_options([str(ROLE)], None)
    check_role_options(None, [str(ROLE)])
    with pytest.raises(CommandError, match="use --role alone"):
        check_role_options([str(ROLE)], [str(ROLE)])
