"""`accesskeys audit plan` and `apply`: write down what would be deleted, then delete it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from accesskeys_async.cli.audit.exit_status import decide
from accesskeys_async.cli.audit.scope import (
    InventoryFile,
    Organizations,
    PolicyFile,
    read_policy,
    read_scope,
    run_interruptible,
    tell_cost_of_roles,
)
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.options import reporting
from accesskeys_async.cli.output.row_writers import count_of

if TYPE_CHECKING:
    from uuid import UUID

    from accesskeys_async.audit import Act, Plan, Planner, Removal, RemovalJournal, Summary
    from accesskeys_async.cli.audit.scope import AuditScope

_TOKEN_PROBLEMS: Final = frozenset({"authentication", "credential"})


@reporting
def make_plan(
    invocation: Invocation,
    orgs: Organizations = None,
    *,
    rules: Annotated[
        str,
        typer.Option(
            metavar="RULE[,RULE…]", help="The rules whose keys are to be deleted, such as AK001,AK002."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the plan to this new file.")],
    inventory: InventoryFile = None,
    policy: PolicyFile = None,
) -> ExitCode:
    """Write a plan of keys to delete. Nothing is deleted yet.

    The plan has a line for each key, with the reasons and a hash of the key's fields. The auditor's own key
    and suppressed findings are left out. Read the plan, delete the lines of keys that are to stay, and then
    run `accesskeys audit apply`.

    Rules about what roles permit (AK036 to AK039) take one request a key more.
    """
    from accesskeys_async.audit.cleanup.plan import Planner, check_rules
    from accesskeys_async.audit.rules.role_policies import RULES

    _check_new(output)
    scope = read_scope(invocation, orgs, inventory, policy)
    wanted = check_rules((rule.strip() for rule in rules.split(",") if rule.strip()), scope.policy.registry)
    planner = Planner(wanted)
    roles = not wanted.isdisjoint(rule.id for rule in RULES)
    if roles:
        tell_cost_of_roles(invocation)
    summary = run_interruptible(
        _follow(invocation, scope, planner, roles=roles), advice="no plan was written"
    )
    return _write_plan(invocation, output, planner, summary, inventory=inventory)


@reporting
def apply_plan(
    invocation: Invocation,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan's file.", show_default=False)],
    *,
    max_deletes: Annotated[int, typer.Option(min=1, help="Delete at most this number of keys now.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    journal: Annotated[
        Path | None,
        typer.Option(
            help="A file that records each deletion. Default: the plan's name and .journal.",
            show_default=False,
        ),
    ] = None,
    inventory: InventoryFile = None,
    policy: PolicyFile = None,
) -> ExitCode:
    """Delete the keys of a plan. Each key is read again, and stays if it has changed or was used since.

    Asks first, unless --yes is given. If it is interrupted, run the same command again to continue.
    """
    from accesskeys_async.audit.cleanup.plan import load_plan
    from accesskeys_async.audit.cleanup.removal_journal import RemovalJournal

    found = load_plan(plan)
    place = plan.with_name(f"{plan.name}.journal") if journal is None else journal
    scope = None if inventory is None else read_scope(invocation, None, inventory, policy)
    _check_inventory(plan, found, scope)
    own_keys = (scope.policy if scope is not None else read_policy(policy)).own_keys
    with RemovalJournal.open(place, plan_hash=found.hash) as opened:
        pending = [one for one in found.candidates if one.key_id not in opened.settled]
        if not pending:
            invocation.screen.notice(f"{plan}: nothing is left to do; {place} says what was done")
            return ExitCode.DONE
        _confirm(invocation, found, len(pending), max_deletes=max_deletes, yes=yes)
        removals: list[Removal] = []
        advice = f"run the same command again to continue; {place} says what was done"
        try:
            run_interruptible(
                _apply(invocation, found, opened, scope, own_keys, max_deletes, removals), advice=advice
            )
        finally:
            _tell_counts(invocation, removals)
        return _decide(invocation, removals)


def _check_inventory(path: Path, plan: Plan, scope: AuditScope | None) -> None:
    """Refuse a plan without the tokens that it was made with. Raises CommandError."""
    wanted = dict.fromkeys(candidate.organization_id for candidate in plan.candidates)
    if plan.inventory is None or not wanted:
        return
    if scope is None:
        raise CommandError(
            f"{path}: is of {count_of(len(wanted), 'organization')}, whose tokens are in an inventory; "
            f"add --inventory {plan.inventory}"
        )
    known = {entry.subject.organization_id for entry in scope.entries}
    if missing := [organization_id for organization_id in wanted if organization_id not in known]:
        raise CommandError(
            f"{path}: the inventory does not have organization {missing[0]}"
            f"{f' and {len(missing) - 1:,} others' if len(missing) > 1 else ''} of the plan; "
            f"the plan was made with {plan.inventory}"
        )


async def _follow(invocation: Invocation, scope: AuditScope, planner: Planner, *, roles: bool) -> Summary:
    from accesskeys_async.audit import Progress, Summary, audit
    from accesskeys_async.cli.audit.progress_display import show_progress

    progress = Progress(total=len(scope.entries))
    async with scope.client(invocation) as client, show_progress(invocation.screen, progress):
        parts = audit(client, scope.entries, scope.policy, progress=progress, roles=roles)
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Summary):
                    return part
                planner.add(part)
    raise AssertionError("unreachable: an audit ends with its summary")


def _write_plan(
    invocation: Invocation, output: Path, planner: Planner, summary: Summary, *, inventory: Path | None
) -> ExitCode:
    from accesskeys_async.audit.cleanup.plan import dump_plan

    made = planner.finish(summary, inventory=None if inventory is None else str(inventory))
    _check_new(output)  # somebody may have written it since
    _write(output, dump_plan(made))
    screen = invocation.screen
    left_out = {
        "the auditor's own": planner.own,
        "suppressed": planner.suppressed,
        "of unknown last use": planner.unknown,
    }
    told = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
    to_delete = f"{count_of(len(made.candidates), 'key')} to delete"
    screen.notice(f"{output}: {to_delete}{f'; left out: {told}' if told else ''}")
    if not summary.is_complete:
        from accesskeys_async.audit import Severity

        verdict = decide(summary, fail_on=Severity.CRITICAL)
        screen.error(f"{verdict.reason}: the plan is of the others")
        return verdict.code
    return ExitCode.DONE


async def _apply(
    invocation: Invocation,
    plan: Plan,
    journal: RemovalJournal,
    scope: AuditScope | None,
    own_keys: frozenset[UUID],
    max_deletes: int,
    removals: list[Removal],
) -> None:
    from accesskeys_async.audit.cleanup.apply import apply

    credentials = {} if scope is None else scope.credentials
    token_needed = any(one.organization_id not in credentials for one in plan.candidates)
    async with invocation.client(token_needed=token_needed) as client:
        acts = apply(
            client, plan, journal, max_deletes=max_deletes, credentials=credentials, own_keys=own_keys
        )
        async with aclosing(acts):
            async for removal in acts:
                removals.append(removal)
                _tell(invocation, removal)


def _confirm(invocation: Invocation, plan: Plan, pending: int, *, max_deletes: int, yes: bool) -> None:
    if yes:
        return
    screen = invocation.screen
    if not screen.stdin_is_terminal:
        raise CommandError(
            "deleting asks first, and stdin is not a terminal; use --yes to delete without a question"
        )
    organizations = len({candidate.organization_id for candidate in plan.candidates})
    bound = f", at most {max_deletes:,} of them now" if max_deletes < pending else ""
    what = f"{count_of(pending, 'key')} of {count_of(organizations, 'organization')}"
    question = f"delete {what}, as planned on {plan.made_at:%Y-%m-%d %H:%M} UTC{bound}?"
    if not screen.ask(question):
        raise CommandError("nothing was deleted", code=ExitCode.DECLINED)


def _tell(invocation: Invocation, removal: Removal) -> None:
    candidate = removal.candidate
    if not removal.act.is_final and removal.failure is None:
        return  # one line for all that are left, at the end
    why = f": {removal.reason}" if removal.reason else ""
    shown = f"{candidate.key_id} {candidate.name} (…{candidate.suffix})"
    invocation.screen.notice(f"{removal.act.value} {shown}{why}")


def _tell_counts(invocation: Invocation, removals: Iterable[Removal]) -> None:
    counts: Counter[Act] = Counter(removal.act for removal in removals)
    told = ", ".join(f"{count:,} {act.value}" for act, count in counts.items())
    invocation.screen.write(f"{told or 'nothing was done'}\n")


def _decide(invocation: Invocation, removals: list[Removal]) -> ExitCode:
    from accesskeys_async.audit import Act

    failures = [removal.failure for removal in removals if removal.act is Act.FAILED]
    left = sum(removal.act is Act.LEFT for removal in removals)
    if failures:
        denied = set(failures) <= _TOKEN_PROBLEMS | {"permission"}
        advice = "check the tokens and their roles, and then run" if denied else "run"
        invocation.screen.error(
            f"{count_of(len(failures), 'key')} could not be read or deleted; {advice} the command again"
        )
        only_tokens = len(failures) == len(removals) and set(failures) <= _TOKEN_PROBLEMS
        return ExitCode.AUTHENTICATION if only_tokens else ExitCode.UNREACHABLE
    if left:
        invocation.screen.error(
            f"--max-deletes is reached, and {count_of(left, 'key')} left; run the command again to continue"
        )
        return ExitCode.REFUSED
    return ExitCode.DONE


def _check_new(path: Path) -> None:
    if path.is_file():  # and not a pipe
        raise CommandError(f"{path} exists already and is never written over; name a new file")


def _write(path: Path, data: bytes) -> None:
    from accesskeys_async.audit.reports.report_file import ReportFile

    destination = ReportFile(path)
    destination.open()
    try:
        destination.write(data)
        destination.sync()
        destination.commit()
    finally:
        destination.discard()
