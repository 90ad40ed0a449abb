"""`accesskeys create`: create a key and hand its token over, or leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.keys.get_update_delete import deprecation_told
from accesskeys_async.cli.loop import run
from accesskeys_async.cli.options import (
    Organization,
    RoleIds,
    Roles,
    check_role_options,
    connected,
    read_role_option,
)

if TYPE_CHECKING:
    from accesskeys_async.cli.token_file import TokenFile
    from accesskeys_async.client import AccessKeysClient
    from accesskeys_async.records import CreatedAccessKey, RoleRef, Unset

PATIENCE: Final = 3.0
"""Seconds that a create may take to end after a signal."""


@connected
def create_key(
    invocation: Invocation,
    org: Organization = None,
    *,
    name: Annotated[str, typer.Option(help="1 to 256 characters.")],
    description: Annotated[str, typer.Option(help="1 to 256 characters.")],
    role: Roles = None,
    role_id: RoleIds = None,
    show_token: Annotated[bool, typer.Option("--show-token", help="Print the token.")] = False,
    token_file: Annotated[
        Path | None, typer.Option(help="Write the token to this new file, which only you can read.")
    ] = None,
) -> None:
    """Create an access key. Its token is shown only once: use --show-token or --token-file.

    If the token cannot be written, the new key is deleted again.
    """
    organization = invocation.organization(org)
    check_role_options(role, role_id)
    role_refs = read_role_option(role)
    if not show_token and token_file is None:
        raise CommandError(
            "a token is shown only once: use --show-token, or name a new file with --token-file"
        )
    from accesskeys_async.cli.token_file import TokenFile

    # Created before anything is sent: what stands in its way then costs no key.
    with contextlib.nullcontext() if token_file is None else TokenFile.create(token_file) as file:
        run(
            _create(
                invocation,
                organization,
                name=name,
                description=description,
                role_refs=role_refs,
                role_ids=role_id,
                show_token=show_token,
                file=file,
            ),
            # A response that is on its way has the token, which is shown only once.
            patience=PATIENCE,
        )


async def _create(
    invocation: Invocation,
    organization: str,
    *,
    name: str,
    description: str,
    role_refs: tuple[RoleRef, ...] | Unset,
    role_ids: Sequence[str] | None,
    show_token: bool,
    file: TokenFile | None,
) -> None:
    from accesskeys_async import UNSET
    from accesskeys_async._contract import arguments, requests

    async with invocation.client() as client:
        # What is refused before it is sent is not worth a warning.
        requests.build_create(
            arguments.read_id("ORG", organization),
            name=name,
            description=description,
            role_refs=role_refs,
            role_ids=role_ids or UNSET,
        )
        if not role_refs and not role_ids:
            invocation.screen.notice(
                "the key gets no roles, and the service denies everything to such a key; "
                "give it some with --role"
            )
        try:
            with deprecation_told(invocation, role_ids):
                created = await client.create(
                    organization,
                    name=name,
                    description=description,
                    role_refs=role_refs,
                    role_ids=role_ids or UNSET,
                )
        except asyncio.CancelledError:
            # Said in spite of --quiet: a key whose token nobody has must not go unnoticed.
            invocation.screen.error(f"a key named {name} may exist; look with: accesskeys list")
            raise
        try:
            if file is not None:
                file.write(created.token)
            else:
                _show(invocation, created, with_token=True)
        except Exception as error:  # noqa: BLE001 - whatever it was, a key without a token must not stay
            await _undo(client, organization, created, error)
        if file is not None:
            invocation.screen.notice(f"wrote the token to {file.path}")
            _show(invocation, created, with_token=show_token)


def _show(invocation: Invocation, created: CreatedAccessKey, *, with_token: bool) -> None:
    token = created.token if with_token else None
    invocation.screen.write(invocation.writer().record(created, token))


async def _undo(
    client: AccessKeysClient, organization: str, created: CreatedAccessKey, reason: Exception
) -> NoReturn:
    from accesskeys_async import AccessKeysError

    said = reason.strerror if isinstance(reason, OSError) else str(reason)
    lost = f"the token of key {created.id} was not written ({said})"
    deletion = asyncio.ensure_future(
        client.delete(organization, created.id, missing_ok=True, allow_self=True)
    )
    try:
        # Ctrl-C does not stop the cleaning up; pressed again, it does.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(deletion)
        await deletion
    except AccessKeysError as error:
        message = (
            f"{lost}; deleting the key failed: {error}; delete {created.id} with: accesskeys delete "
            f"{organization} {created.id}"
        )
        raise CommandError(message, code=ExitCode.UNREACHABLE) from error
    raise CommandError(f"{lost}; deleted the key again", code=ExitCode.UNREACHABLE) from reason
