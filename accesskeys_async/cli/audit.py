"""`accesskeys audit`: the commands of an audit, of which the first needs no name."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from accesskeys_async.cli.audit_history import diff, prune, trend
from accesskeys_async.cli.audit_policy import policy
from accesskeys_async.cli.audit_removal import apply_plan, make_plan
from accesskeys_async.cli.audit_run import run_audit

__all__ = ["audit"]

RUN: Final = "run"


class _RunByDefault(TyperGroup):
    """Take what names no command for an audit's own arguments: `accesskeys audit ORG` is `audit run ORG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before arguments that no command is named by."""
        if args and args[0] != "--help" and args[0] not in self.commands:
            args = [RUN, *args]
        return super().parse_args(ctx, args)


audit = typer.Typer(
    name="audit",
    cls=_RunByDefault,
    help="Read many organizations whole, and judge their keys.\n\n"
    "`accesskeys audit ORG...` and `accesskeys audit --inventory FILE` are short for `audit run`.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
audit.command(RUN)(run_audit)
audit.add_typer(policy)
audit.command("diff")(diff)
audit.command("trend")(trend)
audit.command("prune")(prune)
audit.command("plan")(make_plan)
audit.command("apply")(apply_plan)
