"""`accesskeys get`, `update` and `delete`: one key at a time."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.loop import run
from accesskeys_async.cli.options import (
    Key,
    KeyOrOrganization,
    RoleIds,
    Roles,
    check_role_options,
    connected,
    read_role_option,
)

if TYPE_CHECKING:
    from accesskeys_async.records import AccessKey, RoleRef, Unset


@connected
def get_key(invocation: Invocation, org: KeyOrOrganization = None, key: Key = None) -> None:
    """Show one access key."""
    invocation.screen.write(invocation.writer().record(run(_get(invocation, *invocation.key(org, key)))))


@connected
def update_key(
    invocation: Invocation,
    org: KeyOrOrganization = None,
    key: Key = None,
    *,
    name: Annotated[str | None, typer.Option(help="The new name, 1 to 256 characters.")] = None,
    description: Annotated[str | None, typer.Option(help="The new description, 1 to 256 characters.")] = None,
    role: Roles = None,
    role_id: RoleIds = None,
) -> None:
    """Change an access key. Only what you name changes.

    With --role, the roles that are given replace all roles that the key has.
    """
    place = invocation.key(org, key)
    check_role_options(role, role_id)
    role_refs = read_role_option(role)
    if name is None and description is None and not role and not role_id:
        raise CommandError("nothing to change: give --name, --description or --role")
    change = _update(
        invocation, *place, name=name, description=description, role_refs=role_refs, role_ids=role_id
    )
    updated = run(change)
    invocation.screen.write(invocation.writer().record(updated))


@connected
def delete_key(
    invocation: Invocation,
    org: KeyOrOrganization = None,
    key: Key = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    missing_ok: Annotated[
        bool, typer.Option("--missing-ok", help="Exit with 0 if the key is gone already.")
    ] = False,
    allow_self: Annotated[
        bool, typer.Option("--allow-self", help="Allow to delete the key whose token this command uses.")
    ] = False,
) -> None:
    """Delete an access key. Whatever uses its token stops working at once.

    Shows the key and asks first, unless --yes is given.
    """
    from accesskeys_async.errors import NotFoundError

    screen = invocation.screen
    organization, key_id = invocation.key(org, key)
    suffix, gone = None, f"{key_id} was gone already"
    if not yes:
        if not screen.stdin_is_terminal:
            raise CommandError(
                "deleting asks first, and stdin is not a terminal; use --yes to delete without a question"
            )
        try:
            found = run(_get(invocation, organization, key_id))
        except NotFoundError:
            if not missing_ok:
                raise
            screen.notice(gone)
            return
        # Asked between two loops: while one runs, Ctrl-C would wait for the answer.
        if not screen.ask(f"delete {_told(found)}?"):
            raise CommandError("not deleted", code=ExitCode.DECLINED)
        suffix = found.suffix

    async def delete() -> None:
        async with invocation.client() as client:
            await client.delete(organization, key_id, expect_suffix=suffix, allow_self=allow_self)

    try:
        run(delete())
    except NotFoundError:
        if not missing_ok:
            raise
        screen.notice(gone)
    else:
        screen.notice(f"deleted {key_id}")


async def _get(invocation: Invocation, organization: str, key: str) -> AccessKey:
    async with invocation.client() as client:
        return await client.get(organization, key)


async def _update(
    invocation: Invocation,
    organization: str,
    key: str,
    *,
    name: str | None,
    description: str | None,
    role_refs: tuple[RoleRef, ...] | Unset,
    role_ids: Sequence[str] | None,
) -> AccessKey:
    from accesskeys_async import UNSET

    async with invocation.client() as client:
        with deprecation_told(invocation, role_ids):
            return await client.update(
                organization,
                key,
                name=UNSET if name is None else name,
                description=UNSET if description is None else description,
                role_refs=role_refs,
                role_ids=role_ids or UNSET,
            )


@contextmanager
def deprecation_told(invocation: Invocation, role_ids: Sequence[str] | None) -> Generator[None]:
    """Tell the person once, on stderr, what the library would warn its caller of."""
    if role_ids:
        invocation.screen.notice("--role-id is deprecated by the API; use --role")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _told(key: AccessKey) -> str:
    from accesskeys_async.cli.output.key_table import date

    used = "never used" if key.last_used_at is None else f"last used {date(key.last_used_at)}"
    return f"{key.name} (…{key.suffix}, created {date(key.created_at)}, {used})"
