"""`accesskeys audit`: the commands of an audit, of which the first needs no name."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any, Final

import typer
from typer.core import TyperGroup

from accesskeys_async.cli.audit.cleanup import apply_plan, make_plan
from accesskeys_async.cli.audit.history import diff, prune, trend
from accesskeys_async.cli.audit.policy_commands import policy
from accesskeys_async.cli.audit.run import run_audit
from accesskeys_async.cli.commands import write_examples

RUN: Final = "run"


class _RunByDefault(TyperGroup):
    """Take what names no command for an audit's own arguments: `accesskeys audit ORG` is `audit run ORG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before arguments that no command is named by."""
        if self._are_of_run(args, ctx.help_option_names):
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    def _are_of_run(self, args: list[str], help_options: list[str]) -> bool:
        if not args:
            return bool(os.environ.get("ACCESSKEYS_ORGANIZATION"))
        first = args[0]
        if first.startswith("-"):
            return first not in help_options
        # A word that is nearly a command's name is left for the error that says "Did you mean".
        return not get_close_matches(first, self.commands)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        write_examples(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Offer the options of `run` as well."""
        offered = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            run = self.commands[RUN]
            offered += run.shell_complete(
                run.make_context(RUN, [], parent=ctx, resilient_parsing=True), incomplete
            )
        return offered


audit = typer.Typer(
    name="audit",
    cls=_RunByDefault,
    help="Audit the keys of many organizations.\n\n"
    "`accesskeys audit ORG...` and `accesskeys audit --inventory FILE` are short for `accesskeys audit run`, "
    "which has more options: see `accesskeys audit run --help`. Without arguments, the organization is taken "
    "from ACCESSKEYS_ORGANIZATION.",
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
