"""`accesskeys rotate`: replace keys step by step, from a journal that outlives each call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from accesskeys_async.cli.durations import read_span
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.loop import run as run_loop
from accesskeys_async.cli.options import Key, KeyOrOrganization, Roles, connected, formatted, read_role_option
from accesskeys_async.cli.rotate.advice import Advice
from accesskeys_async.cli.rotate.session import TokenTarget, find_journal, perform, rotation_told
from accesskeys_async.cli.rotate.table import describe_step, find_waiting, write_rotations

if TYPE_CHECKING:
    from accesskeys_async.rotation import Progress, Rotation, Rotator

rotate = typer.Typer(
    name="rotate",
    help="Replace access keys without an outage.\n\nPlan a rotation, then run it whenever a step is due. "
    "Nothing has to be running between steps. The journal records each rotation, and holds no token.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)

JournalPlace = Annotated[
    str | None,
    typer.Option(
        "--journal", help="An SQLite file, or a URL of SQLite or PostgreSQL. Default: ACCESSKEYS_JOURNAL."
    ),
]
RotationId = Annotated[str, typer.Argument(metavar="ROTATION", help="The rotation's id.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a key is deleted.")]
ToFile = Annotated[
    Path | None, typer.Option(help="Write the new token to this file. It holds the token of one key.")
]
ToDir = Annotated[
    Path | None,
    typer.Option(help="Write each new token to a file in this folder, named by the replaced key's id."),
]
ToEnvFile = Annotated[Path | None, typer.Option(help="Write the new token to one line of this env file.")]
EnvName = Annotated[str, typer.Option(help="The variable's name in the env file.")]
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
            help="Keep the old key as long as it is still used after the new token was stored.",
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

    write_rotations(invocation, [perform(invocation, journal, act, create=True)])


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
    retry: Annotated[bool, typer.Option("--retry", help="Try the step again that needed a person.")] = False,
    yes: Yes = False,
    journal: JournalPlace = None,
) -> None:
    """Run the steps of one rotation that are due.

    Exits with 1 if it was aborted or needs a person, and with 4 if another worker holds it or a step failed
    and is due again later.
    """
    target = TokenTarget(to_file, to_dir, to_env_file, env_name, to_command)
    target.check()
    _read_id(rotation)

    async def look(rotator: Rotator) -> Sequence[Rotation]:
        from accesskeys_async.rotation.settings import utc_now
        from accesskeys_async.rotation.states import put_back

        found = await rotator.status(rotation)
        # The retry itself comes once nothing that is asked here can refuse it.
        return [put_back(each, due_at=utc_now()) for each in found] if retry else found

    due = perform(invocation, journal, look)
    target.check_for(due)
    _ask(invocation, due, yes=yes, wait=wait)

    advice = Advice.of_call(invocation, journal, target)

    async def act(rotator: Rotator) -> Progress:
        if retry:
            await rotator.retry(rotation)
        return await _run(invocation, rotator, rotation, wait=wait, advice=advice)

    _finish(invocation, [perform(invocation, journal, act, target=target)], advice=advice)


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
    """Run the steps of all rotations that are due. With --yes, it is meant for a timer.

    Exits as `rotate run` does, also for a rotation that needs a person already or waits after a failure.
    """
    target = TokenTarget(to_file, to_dir, to_env_file, env_name, to_command)
    target.check()

    async def look(rotator: Rotator) -> tuple[list[Rotation], list[Progress]]:
        from accesskeys_async.rotation.settings import utc_now

        now = utc_now()
        known = await rotator.status()
        return [one for one in known if one.is_due(now)], find_waiting(known, now)

    due, waiting = perform(invocation, journal, look)
    done: Sequence[Progress] = ()
    if due:
        target.check_for(due)
        _ask(invocation, due, yes=yes, wait=False)

        async def act(rotator: Rotator) -> Sequence[Progress]:
            return await rotator.resume()

        done = perform(invocation, journal, act, target=target)
    else:
        invocation.screen.notice("no rotation has a step due")
    ran = {step.rotation.id for step in done}
    advice = Advice.of_call(invocation, journal, target)
    _finish(invocation, done, [step for step in waiting if step.rotation.id not in ran], advice=advice)


@rotate.command("status")
@formatted
def status(
    invocation: Invocation,
    rotation: Annotated[
        str | None,
        typer.Argument(metavar="ROTATION", help="The rotation's id. Default: all.", show_default=False),
    ] = None,
    *,
    journal: JournalPlace = None,
) -> None:
    """Show the state of rotations. Reads the journal only, and needs no token."""

    async def read() -> Sequence[Rotation]:
        from accesskeys_async.rotation import Journal

        async with Journal(find_journal(invocation, journal), create=False) as opened:
            if rotation is None:
                return await opened.find()
            return [await opened.get(_read_id(rotation))]

    with rotation_told():
        found = run_loop(read())
    write_rotations(invocation, found)
    if any(each.stuck_at is not None for each in found):
        invocation.screen.notice(Advice.of_call(invocation, journal).advise_on_each())


@rotate.command("abort")
@connected
def abort(
    invocation: Invocation, rotation: RotationId, *, yes: Yes = False, journal: JournalPlace = None
) -> None:
    """Abort a rotation. A key whose token may be in use is never deleted.

    If the new token may be in use already, nothing is deleted, and the rotation needs a person. Abort it
    again to close it.
    """
    _read_id(rotation)
    if not yes:
        _confirm(invocation, f"abort rotation {rotation}, and delete a new key that nobody was given?")

    async def act(rotator: Rotator) -> Progress:
        return await rotator.abort(rotation)

    progress = perform(invocation, journal, act)
    write_rotations(invocation, [progress.rotation])
    if progress.rotation.stuck_at is not None:
        told = describe_step(progress, Advice.of_call(invocation, journal))
        raise CommandError(told, code=ExitCode.REFUSED)


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


def _read_id(rotation: str) -> UUID:
    try:
        return UUID(rotation)
    except ValueError:
        message = (
            f"ROTATION is {rotation[:40]!r}, which is not a UUID; find it with: accesskeys rotate status"
        )
        raise CommandError(message) from None


def _confirm(invocation: Invocation, question: str) -> None:
    if not invocation.screen.stdin_is_terminal:
        raise CommandError("this asks first, and stdin is not a terminal; say --yes to go on unasked")
    if not invocation.screen.ask(question):
        raise CommandError("nothing was done", code=ExitCode.DECLINED)


async def _run(
    invocation: Invocation, rotator: Rotator, rotation_id: str, *, wait: bool, advice: Advice
) -> Progress:
    from accesskeys_async.rotation.settings import utc_now

    while True:
        progress = await rotator.advance(rotation_id)
        if progress.due_at is None:
            return progress
        pause = (progress.due_at - utc_now()).total_seconds()
        if not wait and (progress.busy or pause > 0):
            return progress
        invocation.screen.notice(describe_step(progress, advice))
        await asyncio.sleep(max(0.0, pause))


def _finish(
    invocation: Invocation, done: Sequence[Progress], waiting: Sequence[Progress] = (), *, advice: Advice
) -> None:
    """Write what came of it, and end with what is worst: a refusal is worse than what may pass."""
    from accesskeys_async.rotation import State

    write_rotations(invocation, [step.rotation for step in done])
    failures: list[CommandError] = []
    for step in (*done, *waiting):
        told = describe_step(step, advice)
        if step.state in {State.ABORTED, State.NEEDS_HUMAN}:
            failures.append(CommandError(told, code=ExitCode.REFUSED))
        elif step.busy or step.rotation.failures:
            failures.append(CommandError(told, code=ExitCode.UNREACHABLE))
        else:
            invocation.screen.notice(told)
        if step.state is State.GRACE and not step.rotation.role_refs:
            invocation.screen.notice(
                f"rotation {step.rotation.id}: the new key has no roles, as the old one had none that the "
                "service tells, so the service may deny it everything"
            )
    failures.sort(key=lambda error: error.code is ExitCode.REFUSED)
    for failure in failures[:-1]:
        invocation.screen.error(str(failure))
    if failures:
        raise failures[-1]
