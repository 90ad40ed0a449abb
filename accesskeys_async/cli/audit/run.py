"""`accesskeys audit`: read organizations whole, judge their keys, and say what was found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from attrs import frozen

from accesskeys_async.cli.audit.baseline import Past, open_past
from accesskeys_async.cli.audit.exit_status import decide
from accesskeys_async.cli.audit.progress_display import show_progress
from accesskeys_async.cli.audit.scope import (
    AuditScope,
    InventoryFile,
    Level,
    Organizations,
    PolicyFile,
    read_scope,
    run_interruptible,
    tell_cost_of_roles,
)
from accesskeys_async.cli.audit.summary import Comparison, Overview, draw_summary
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.options import reporting

if TYPE_CHECKING:
    from accesskeys_async.audit import Checkpoint, OrganizationAudit, Summary
    from accesskeys_async.audit.reports import ReportContext

_STDOUT: Final = (Path("-"), Path("/dev/stdout"))

Outputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        help="Write a report to this file. Its name says its form: .json, .ndjson, .csv, .md, .sarif, "
        ".parquet or .html. Repeatable. With `-` all findings go to stdout as JSON lines.",
    ),
]
HistoryToAddTo = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="Compare with the earlier audits of this history (an SQLite file or a URL), and add this one.",
    ),
]
KnownRotations = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="A rotation journal: keys that a rotation created or deleted are not reported as changes.",
    ),
]


@frozen(kw_only=True)
class Job:
    """One audit, as the options ask for it."""

    scope: AuditScope
    outputs: tuple[Path, ...] = ()
    to_stdout: bool = False
    """Whether all that was found goes to stdout as JSON lines."""
    checkpoint: Path | None = None
    resume: bool = False
    history: str | None = None
    journal: str | None = None
    at_once: int | None = None
    max_keys: int = 1_000_000
    roles: bool = False


@reporting
def run_audit(
    invocation: Invocation,
    orgs: Organizations = None,
    *,
    inventory: InventoryFile = None,
    policy: PolicyFile = None,
    output: Outputs = None,
    fail_on: Annotated[
        Level, typer.Option(help="Exit with 1 if a finding is this severe or worse.")
    ] = Level.HIGH,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 despite findings.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Save what is read in this file, so that the audit can be resumed.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from --checkpoint if the file exists.")
    ] = False,
    history: HistoryToAddTo = None,
    journal: KnownRotations = None,
    at_once: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many organizations are read at a time. Default: 64.", show_default=False
        ),
    ] = None,
    max_keys: Annotated[
        int,
        typer.Option(
            min=1, help="Stop reading an organization after this number of keys, and report it as not read."
        ),
    ] = 1_000_000,
    roles: Annotated[
        bool,
        typer.Option("--roles", help="Read what the roles of every key permit: one request a key more."),
    ] = False,
) -> ExitCode:
    """Read all keys of organizations, check them, and report.

    Every key is checked by the rules of the policy. Exit codes: 0 nothing was found, 1 a finding reaches
    --fail-on, 4 an organization could not be read or a rule failed (even if there are findings as well),
    130 interrupted.
    """
    if resume and checkpoint is None:
        raise CommandError("--resume needs --checkpoint FILE, which names the audit to continue")
    if journal is not None and history is None:
        raise CommandError(
            "--journal needs --history: a journal says which changes since the last audit are known"
        )
    job = Job(
        scope=read_scope(invocation, orgs, inventory, policy),
        outputs=tuple(path for path in output or () if path not in _STDOUT),
        to_stdout=any(path in _STDOUT for path in output or ()),
        checkpoint=checkpoint,
        resume=resume,
        history=history,
        journal=journal,
        at_once=at_once,
        max_keys=max_keys,
        roles=roles,
    )
    if roles:
        tell_cost_of_roles(invocation)
    advice = (
        "nothing was saved; --checkpoint FILE saves what is read"
        if checkpoint is None
        else f"what was read is in {checkpoint}; continue with --resume"
    )
    summary, overview, comparison = run_interruptible(_conduct(invocation, job), advice=advice)
    verdict = decide(
        summary,
        fail_on=fail_on.severity,
        exit_zero=exit_zero,
        failed_rules=len(overview.failed_rules),
    )
    screen = invocation.screen
    drawn = draw_summary(screen, summary, overview, verdict, comparison=comparison, reports=job.outputs)
    if not job.to_stdout:
        screen.write(drawn)
        return verdict.code
    for line in drawn.splitlines():
        screen.notice(line)
    return verdict.code


async def _conduct(invocation: Invocation, job: Job) -> tuple[Summary, Overview, Comparison | None]:
    from accesskeys_async.audit import CheckpointWriteError

    try:
        return await conduct(invocation, job)
    except CheckpointWriteError as error:  # and no wrong usage, as what is wrong with its file is
        raise CommandError(str(error), code=ExitCode.INCOMPLETE) from error


async def conduct(invocation: Invocation, job: Job) -> tuple[Summary, Overview, Comparison | None]:
    """Run an audit to its end with all that was asked for: reports, checkpoint, history, progress."""
    from accesskeys_async.audit import OrganizationAudit
    from accesskeys_async.audit.reports import ReportError, open_reports

    overview = Overview()
    async with AsyncExitStack() as stack:
        checkpoint = stack.enter_context(_open_checkpoint(job)) if job.checkpoint else None
        started_at = checkpoint.started_at if checkpoint else datetime.now(UTC)
        past: Past | None = None
        if job.history is not None:
            past = await stack.enter_async_context(
                open_past(job.history, job.scope.policy, started_at=started_at, journal=job.journal)
            )
        context = _make_report_context(job, past)
        screen = invocation.screen
        stream = (lambda data: screen.write(data.decode())) if job.to_stdout else None
        try:
            reports = stack.enter_context(open_reports(job.outputs, context=context, stream=stream))
        except ReportError as error:
            raise CommandError(str(error)) from error  # as wrong as any other option, while nothing is read
        parts = await stack.enter_async_context(_start(invocation, job, checkpoint, started_at, past))
        async for part in parts:
            if isinstance(part, OrganizationAudit):
                overview.add(part)
                reports.add(part)
                if past is not None:
                    await past.recording.record(part)
                continue
            # Drawing charts takes a while, and Ctrl-C should not wait for it.
            await asyncio.to_thread(reports.finish, part)
            return part, overview, None if past is None else await past.compare(part)
    raise AssertionError("unreachable: an audit ends with its summary")


@asynccontextmanager
async def _start(
    invocation: Invocation, job: Job, checkpoint: Checkpoint | None, started_at: datetime, past: Past | None
) -> AsyncGenerator[AsyncGenerator[OrganizationAudit | Summary, None]]:
    from accesskeys_async.audit import Progress, audit

    progress = Progress(total=len(job.scope.entries))
    async with job.scope.client(invocation) as client, show_progress(invocation.screen, progress):
        parts = audit(
            client,
            job.scope.entries,
            job.scope.policy,
            at_once=job.at_once,
            max_keys=job.max_keys,
            checkpoint=checkpoint,
            progress=progress,
            amend=None if past is None else past.recording.enrich,
            roles=job.roles,
            clock=lambda: started_at,
        )
        async with aclosing(parts):
            yield parts


def _open_checkpoint(job: Job) -> Checkpoint:
    from accesskeys_async.audit import Checkpoint

    assert job.checkpoint is not None
    return Checkpoint.open(
        job.checkpoint,
        policy_hash=job.scope.policy.hash,
        inventory_hash=job.scope.hash,
        roles=job.roles,
        resume=job.resume,
        now=datetime.now(UTC),
    )


def _make_report_context(job: Job, past: Past | None) -> ReportContext:
    from accesskeys_async.audit.reports import ReportContext

    return ReportContext.of(job.scope.policy, trend=() if past is None else past.trend)
