"""`accesskeys demo`: the whole client at work against the emulator, with no account and no network."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.loop import run
from accesskeys_async.cli.options import local
from accesskeys_async.cli.output.screen import Screen

if TYPE_CHECKING:
    from accesskeys_async.cli.demo.key_stats import Tally
    from accesskeys_async.client import AccessKeysClient
    from accesskeys_async.emulator import Emulator, Organization
    from accesskeys_async.records import Attempt

CONCURRENCY: Final = 4
"""How many organizations are streamed at a time."""


@local
def demo(
    screen: Screen,
    *,
    organizations: Annotated[int, typer.Option(min=1, max=100, help="Organizations in the fleet.")] = 8,
    keys_per_organization: Annotated[int, typer.Option(min=1, max=100_000, help="Keys in each.")] = 2500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same fleet.")] = 7,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the audit's HTML report to this file. Default: a temporary folder."),
    ] = None,
) -> None:
    """Watch the client at work on this machine. No account, no network, a few seconds.

    Starts the emulator with a fleet of keys, streams every organization at once, audits them, takes one key
    through its life, and breaks the service on purpose to show that the client rides through.
    """
    from accesskeys_async import AccessKeysClient
    from accesskeys_async.emulator import Emulator

    async def show() -> None:
        emulator = Emulator(
            seed=seed, organizations=organizations, keys_per_organization=keys_per_organization
        )
        async with emulator:
            _say(screen, "The API, on this machine alone", f"{emulator.base_url}, a fleet from seed {seed}")
            async with AccessKeysClient(emulator.token, base_url=emulator.base_url) as client:
                await _stream_all(screen, client, emulator.organizations, expected=keys_per_organization + 1)
                await _audit_all(screen, emulator, report=report)
                await live_one_life(screen, client, emulator.organization_id)
                await _ride_through(screen, client, emulator)
        _point_on(screen)

    run(show())


async def _stream_all(
    screen: Screen, client: AccessKeysClient, organizations: Sequence[Organization], *, expected: int
) -> None:
    from accesskeys_async.cli.demo.key_stats import Tally, tabulate

    tallies = [Tally(organization.id) for organization in organizations]
    turn = asyncio.Semaphore(CONCURRENCY)
    began = time.perf_counter()
    with _progress(screen, tallies, expected=expected) as tell:
        async with asyncio.TaskGroup() as group:
            for organization, tally in zip(organizations, tallies, strict=True):
                # A clone has a token of its own and shares the connections.
                its_client = client.with_options(token=organization.token)
                group.create_task(_stream(its_client, tally, turn=turn, tell=tell))
    elapsed = time.perf_counter() - began
    count = sum(tally.keys for tally in tallies)
    _say(
        screen,
        f"Streamed {len(tallies)} organizations at once",
        f"{count:,} keys in {elapsed:.1f} s over HTTP, {count / elapsed:,.0f} a second",
    )
    screen.write(screen.draw(tabulate(tallies), width=None if screen.stdout_is_terminal else 100))


async def _stream(
    client: AccessKeysClient,
    tally: Tally,
    *,
    turn: asyncio.Semaphore,
    tell: Callable[[Tally], None],
) -> None:
    async with turn:
        async for key in client.list(tally.organization_id):
            tally.add(key)
            tell(tally)


async def _audit_all(screen: Screen, emulator: Emulator, *, report: Path | None) -> None:
    from accesskeys_async.cli.demo.audit import audit_fleet

    organizations = emulator.organizations
    _say(screen, f"Auditing {len(organizations)} organizations", "as accesskeys audit --exit-zero does")
    written = await audit_fleet(screen, organizations, base_url=emulator.base_url, report=report)
    if written is not None:
        _say(screen, "Drew the report", f"open {written} in a browser")


async def live_one_life(screen: Screen, client: AccessKeysClient, organization: str) -> None:
    """Create, change, read and delete a key. Raises CommandError if it is there after all."""
    from accesskeys_async import NotFoundError

    created = await client.create(organization, name="demo", description="made by accesskeys demo")
    _say(screen, "Created a key", f"{created.name} {created.id}, {created.token}")
    updated = await client.update(organization, created.id, description="renewed by accesskeys demo")
    _say(screen, "Changed its description", str(updated.description))
    found = await client.get(organization, created.id)
    _say(screen, "Read it back", f"{found.name}, {found.description}")
    await client.delete(organization, created.id)
    try:
        await client.get(organization, created.id)
    except NotFoundError as error:
        _say(screen, "Deleted it", f"reading it answers {error.status}")
    else:
        raise CommandError("the deleted key is still there", code=ExitCode.FAULT)


async def _ride_through(screen: Screen, client: AccessKeysClient, emulator: Emulator) -> None:
    from accesskeys_async.emulator import Fault

    key = await client.list(emulator.organization_id).first()
    assert key is not None
    emulator.faults.add(Fault.status(429, operation="get", retry_after=1), Fault.cut_body(operation="get"))
    _say(screen, "Broke the service", "one response 429 with Retry-After: 1, then one that is cut off")
    response = await client.raw.get(emulator.organization_id, key.id)
    for attempt in response.attempts:
        screen.write(f"    attempt {attempt.number}: {tell_attempt(attempt)}\n")
    emulator.faults.assert_used()
    _say(screen, "Rode through", f"the call took {len(response.attempts)} attempts and its caller saw none")


def tell_attempt(attempt: Attempt) -> str:
    """Say what came of an attempt, and how long the client waited then."""
    outcome = str(attempt.status) if attempt.status is not None else "connection lost"
    return f"{outcome}, waited {attempt.wait:.2f} s" if attempt.wait else outcome


def _point_on(screen: Screen) -> None:
    screen.write(
        "\nNext, the same API for your own code, in one shell:\n"
        "    accesskeys emulator --keys-per-organization 500\n"
        "and, in another, with the variables that it prints:\n"
        "    accesskeys list\n"
    )


def _say(screen: Screen, what: str, more: str) -> None:
    from rich.text import Text

    line = Text.assemble(("✓ ", "green"), (what, "bold"), ": ", more, no_wrap=True, overflow="ignore")
    screen.write(screen.draw(line, width=1000))


@contextlib.contextmanager
def _progress(
    screen: Screen, tallies: Sequence[Tally], *, expected: int
) -> Generator[Callable[[Tally], None]]:
    if screen.quiet or not screen.stderr_is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=screen.console(on_stderr=True), transient=True) as progress:
        tasks = {
            tally.organization_id: progress.add_task(tally.organization_id[:8], total=expected)
            for tally in tallies
        }

        def tell(tally: Tally) -> None:
            # A bar is drawn ten times a second; to be told of every key would cost more than the keys.
            if tally.keys % 50 == 0 or tally.keys >= expected:
                progress.update(tasks[tally.organization_id], completed=tally.keys)

        yield tell
