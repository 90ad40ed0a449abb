"""`accesskeys rotate`: replace keys step by step, from a journal that outlives each call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.loop import run as run_loop
from accesskeys_async.cli.options import Key, KeyOrOrganization, Roles, connected, read_role_option
from accesskeys_async.cli.rotating import TokenTarget, find_journal, perform, rotation_told
from accesskeys_async.cli.rotations import describe_step, write_rotations
from accesskeys_async.cli.spans import read_span

if TYPE_CHECKING:
    from accesskeys_async.rotation import Progress, Rotation, Rotator

__all__ = ["rotate"]

rotate = typer.Typer(
    name="rotate",
    help="Replace access keys without an outage.\n\nPlan a rotation, then run it whenever a step is due; "
    "between steps nothing has to be running. The journal says where each one stands, and holds no token.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)

JournalPlace = Annotated[
    str | None,
    typer.Option(
        "--journal", help="An SQLite file, or a URL of SQLite or PostgreSQL; else ACCESSKEYS_JOURNAL."
    ),
]
RotationId = Annotated[str, typer.Argument(metavar="ROTATION", help="The rotation's id.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete what is due for it without asking.")]
ToFile = Annotated[
    Path | None, typer.Option(help="Write the new token to this file, which only you can read.")
]
ToDir = Annotated[
    Path | None,
    typer.Option(help="Write each new token to a file in this folder, named by the replaced key's id."),
]
ToEnvFile = Annotated[Path | None, typer.Option(help="Write the new token to a line of this env file.")]
EnvName = Annotated[str, typer.Option(help="The name of that line.")]
ToCommand = Annotated[
    str | None,
    typer.Option(
        help="Give the new token to this command, on its standard input; {replaced_key_id} stands for the "
        "replaced key's id."
    ),
]


@rotate.command("plan")
@connected
def plan(
    invocation: Invocation,
    org: KeyOrOrganization = None,
    key: Key = None,
    *,
    grace: Annotated[
        str, typer.Option(help="How long both keys live, such as 12h or 7d; units are s, m, h, d, w.")
    ] = "7d",
    require_idle: Annotated[
        bool,
        typer.Option(
            "--require-idle/--no-require-idle",
            help="Keep the old key as long as it is used after the cut-over.",
        ),
    ] = True,
    role: Roles = None,
    journal: JournalPlace = None,
) -> None:
    """Plan to replace a key, and show the rotation's id. Nothing is changed yet.

    The new key gets the old one's roles unless --role names others.
    """
    span = read_span("--grace", grace)
    place = invocation.key(org, key)
    roles = read_role_option(role)

    async def act(rotator: Rotator) -> Rotation:
        return await rotator.plan(*place, grace=span, require_idle=require_idle, role_refs=roles)

    write_rotations(invocation, [perform(invocation, journal, act)])


@rotate.command("run")
@connected
def run(
    invocation: Invocation,
    rotation: RotationId,
    *,
    to_file: ToFile = None,
    to_dir: ToDir = None,
    to_env_file: ToEnvFile = None,
    env_name: EnvName = "ACCESSKEYS_TOKEN",
    to_command: ToCommand = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the rotation is over.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Go on where the rotation needed a person.")] = False,
    yes: Yes = False,
    journal: JournalPlace = None,
) -> None:
    """Take the steps of one rotation that are due.

    Exits with 1 where it was aborted or needs a person, and with 4 where another worker holds it.
    """
    target = TokenTarget(to_file, to_dir, to_env_file, env_name, to_command)
    target.check()

    async def look(rotator: Rotator) -> tuple[Rotation, ...]:
        if retry:
            await rotator.retry(rotation)
        return await rotator.status(rotation)

    due = perform(invocation, journal, look)
    target.check_for(due)
    _ask(invocation, due, yes=yes, wait=wait)

    async def act(rotator: Rotator) -> Progress:
        return await _run(invocation, rotator, rotation, wait=wait)

    _finish(invocation, [perform(invocation, journal, act, target=target)])


@rotate.command("resume")
@connected
def resume(
    invocation: Invocation,
    *,
    to_file: ToFile = None,
    to_dir: ToDir = None,
    to_env_file: ToEnvFile = None,
    env_name: EnvName = "ACCESSKEYS_TOKEN",
    to_command: ToCommand = None,
    yes: Yes = False,
    journal: JournalPlace = None,
) -> None:
    """Take all steps of all rotations that are due. For a timer, with --yes."""
    target = TokenTarget(to_file, to_dir, to_env_file, env_name, to_command)
    target.check()

    async def look(rotator: Rotator) -> list[Rotation]:
        from accesskeys_async.rotation.settings import utc_now

        return [rotation for rotation in await rotator.status() if rotation.is_due(utc_now())]

    due = perform(invocation, journal, look)
    target.check_for(due)
    _ask(invocation, due, yes=yes, wait=False)

    async def act(rotator: Rotator) -> Sequence[Progress]:
        return await rotator.resume()

    _finish(invocation, perform(invocation, journal, act, target=target))


@rotate.command("status")
@connected
def status(
    invocation: Invocation,
    rotation: Annotated[
        str | None,
        typer.Argument(metavar="ROTATION", help="The rotation's id; else all.", show_default=False),
    ] = None,
    *,
    journal: JournalPlace = None,
) -> None:
    """Show where rotations stand. Reads the journal alone, and needs no token."""

    async def read() -> Sequence[Rotation]:
        from accesskeys_async.operations import read_id
        from accesskeys_async.rotation import Journal

        async with Journal(find_journal(invocation, journal)) as opened:
            if rotation is None:
                return await opened.find()
            return [await opened.get(read_id("rotation", rotation))]

    with rotation_told():
        write_rotations(invocation, run_loop(read()))


@rotate.command("abort")
@connected
def abort(
    invocation: Invocation, rotation: RotationId, *, yes: Yes = False, journal: JournalPlace = None
) -> None:
    """Give a rotation up. A key whose token may be in use is never deleted.

    Where the new token may be out already nothing is deleted, and the rotation needs a person; aborting it
    once more closes it.
    """
    if not yes:
        _confirm(invocation, f"abort rotation {rotation}, and delete a new key that nobody was given?")

    async def act(rotator: Rotator) -> Progress:
        return await rotator.abort(rotation)

    progress = perform(invocation, journal, act)
    write_rotations(invocation, [progress.rotation])
    if progress.rotation.stuck_at is not None:
        raise CommandError(describe_step(progress.rotation, due_at=progress.due_at), code=ExitCode.REFUSED)


def _ask(invocation: Invocation, due: Sequence[Rotation], *, yes: bool, wait: bool) -> None:
    from accesskeys_async.rotation import State

    ending = [
        rotation
        for rotation in due
        if not rotation.is_over
        and (wait or not rotation.grace or rotation.state in {State.GRACE, State.DELETING})
    ]
    if ending and not yes:
        told = ", ".join(f"{rotation.key_id} (…{rotation.suffix})" for rotation in ending)
        _confirm(invocation, f"delete what is replaced once its grace is over: {told}?")


def _confirm(invocation: Invocation, question: str) -> None:
    if not invocation.screen.stdin_is_terminal:
        raise CommandError("this asks first, and stdin is not a terminal; say --yes to go on unasked")
    if not invocation.screen.ask(question):
        raise CommandError("nothing was done", code=ExitCode.INTERRUPTED)


async def _run(invocation: Invocation, rotator: Rotator, rotation_id: str, *, wait: bool) -> Progress:
    from accesskeys_async.rotation.settings import utc_now

    while True:
        progress = await rotator.advance(rotation_id)
        due_at = progress.due_at
        invocation.screen.notice(describe_step(progress.rotation, due_at=due_at))
        if due_at is None:
            return progress
        pause = (due_at - utc_now()).total_seconds()
        if not wait and (progress.busy or pause > 0):
            return progress
        await asyncio.sleep(max(0.0, pause))


def _finish(invocation: Invocation, progress: Sequence[Progress]) -> None:
    from accesskeys_async.rotation import State

    write_rotations(invocation, [step.rotation for step in progress])
    for step in progress:
        if step.state is State.GRACE and not step.rotation.role_refs and not step.rotation.role_ids:
            invocation.screen.notice(
                f"rotation {step.rotation.id}: the new key has no roles, as the old one had none that the "
                "service tells, so the service may deny it everything"
            )
        told = describe_step(step.rotation, due_at=step.due_at)
        if step.state in {State.ABORTED, State.NEEDS_HUMAN}:
            raise CommandError(told, code=ExitCode.REFUSED)
        if step.busy:
            raise CommandError(f"{told}; another worker holds it", code=ExitCode.UNREACHABLE)
