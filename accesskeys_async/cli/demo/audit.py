"""The demo's audit: the same as `accesskeys audit`, over a fleet that lives as long as the demo."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from accesskeys_async.cli.audit.exit_status import decide
from accesskeys_async.cli.audit.run import Job, conduct
from accesskeys_async.cli.audit.scope import AuditScope
from accesskeys_async.cli.audit.summary import draw_summary
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.output.screen import Screen
from accesskeys_async.cli.token_file import TokenFile

if TYPE_CHECKING:
    from accesskeys_async.emulator import Organization


async def audit_fleet(
    screen: Screen, organizations: Sequence[Organization], *, base_url: str, report: Path | None
) -> Path | None:
    """Audit the organizations, write an HTML report, and return where it is.

    None, with a notice, where no place was named and what an HTML report needs is not installed.
    """
    from accesskeys_async.audit import Severity

    place = report or Path(tempfile.mkdtemp(prefix="accesskeys-demo-"), "audit.html")
    outputs = (place,) if report is not None or _can_draw(screen, place) else ()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="accesskeys-demo-")))
        scope = _make_scope(organizations, folder)
        # Nothing of the person's own environment: the demo is of this machine alone.
        invocation = Invocation(screen, {}, base_url=base_url)
        summary, overview, _ = await conduct(invocation, Job(scope=scope, outputs=outputs))
    verdict = decide(summary, fail_on=Severity.HIGH, exit_zero=True)
    drawn = draw_summary(screen, summary, overview, verdict, reports=outputs)
    screen.write(f"\n{drawn}\n")
    return place if outputs else None


def _make_scope(organizations: Sequence[Organization], folder: Path) -> AuditScope:
    """Write the tokens down as an inventory refers to them: each in a file that only this user can read."""
    from accesskeys_async import Token
    from accesskeys_async.audit import Policy, read_inventory

    policy = Policy()
    lines = ["organization_id,credential,labels"]
    for number, organization in enumerate(organizations):
        name = f"organization-{number}.token"
        with TokenFile.create(folder / name) as file:
            file.write(Token(organization.token))
        lines.append(f"{organization.id},file:{name},demo")
    inventory = folder / "fleet.csv"
    inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read_inventory(inventory, registry=policy.registry)
    return AuditScope(policy, found.entries, found.hash)


def _can_draw(screen: Screen, place: Path) -> bool:
    from accesskeys_async import ConfigurationError
    from accesskeys_async.audit.reports import open_reports

    try:
        open_reports([place])
    except ConfigurationError as error:
        screen.notice(f"no HTML report: {error}")
        place.parent.rmdir()
        return False
    return True
