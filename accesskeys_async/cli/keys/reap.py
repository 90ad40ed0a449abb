"""`accesskeys reap`: delete keys whose create lost its response."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from accesskeys_async.cli.durations import read_span
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.loop import run
from accesskeys_async.cli.options import Organization, connected
from accesskeys_async.cli.output.row_writers import count_of

if TYPE_CHECKING:
    from accesskeys_async.records import AccessKey


@connected
def reap_keys(
    invocation: Invocation,
    org: Organization = None,
    *,
    nonce: Annotated[
        str | None, typer.Option(help="Only the keys of one create: the 16 characters that its error named.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN",
            help="Only keys created longer ago than this, such as 90m or 1d. Default: 1h, unless --nonce is "
            "given.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
) -> None:
    """Delete keys whose create lost its response. Nobody has the tokens of such keys.

    Deletes only keys that were never used and whose description ends with the marker of a create. Lists
    them and asks first, unless --yes is given.
    """
    organization = invocation.organization(org)
    screen = invocation.screen
    span = read_span("--older-than", older_than or "1h") if older_than or nonce is None else None
    if not yes:
        if not screen.stdin_is_terminal:
            raise CommandError(
                "reaping asks first, and stdin is not a terminal; use --yes to delete without a question"
            )
        found = run(_reap(invocation, organization, nonce, span, dry_run=True))
        if not found:
            screen.notice("there is nothing to delete")
            return
        _write(invocation, found)
        count = len(found)
        if not screen.ask(f"delete {'this key' if count == 1 else f'these {count} keys'}?"):
            raise CommandError("not deleted", code=ExitCode.DECLINED)
    reaped = run(_reap(invocation, organization, nonce, span, dry_run=False))
    if yes:
        _write(invocation, reaped)
    screen.notice(f"deleted {count_of(len(reaped), 'key')}")


async def _reap(
    invocation: Invocation,
    organization: str,
    nonce: str | None,
    older_than: timedelta | None,
    *,
    dry_run: bool,
) -> tuple[AccessKey, ...]:
    async with invocation.client() as client:
        return await client.reap(organization, nonce, older_than=older_than, dry_run=dry_run)


def _write(invocation: Invocation, keys: tuple[AccessKey, ...]) -> None:
    writer = invocation.writer()
    invocation.screen.write(writer.begin() + writer.page(keys) + writer.end())
