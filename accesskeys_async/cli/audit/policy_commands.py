"""`accesskeys audit policy`: a policy to begin with, checked, and its rules in words."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from accesskeys_async._escaping import printable
from accesskeys_async.cli.audit.scope import PolicyFile, read_policy
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.options import local
from accesskeys_async.cli.output.row_writers import count_of
from accesskeys_async.cli.output.screen import Screen, flow

policy = typer.Typer(
    name="policy",
    help="Write, check and explain the policy of audits.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)


def complete_rule(incomplete: str) -> list[str]:
    """Return the ids of the built-in rules that begin with what was typed."""
    from accesskeys_async.audit import find_rules

    return [rule_id for rule_id in find_rules() if rule_id.startswith(incomplete)]


@policy.command("init")
@local
def init(
    screen: Screen,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this new file. Default: stdout.")
    ] = None,
) -> None:
    """Write a policy to start from. It has every setting, commented out."""
    from accesskeys_async.audit import find_rules, write_policy

    text = write_policy(find_rules())
    if output is None:
        screen.write(text)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(f"{output} exists already and is never written over; name a new file") from None
    except OSError as error:
        with contextlib.suppress(OSError):
            # What came of a full disk is no policy.
            if output.stat().st_size < len(text.encode()):
                output.unlink()
        message = f"cannot write {output}: {error.strerror}"
        raise CommandError(message, code=ExitCode.UNREACHABLE) from error
    screen.notice(f"wrote {output}; check it with: accesskeys audit policy check {output}")


@policy.command("check")
@local
def check(
    screen: Screen,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy's file.", show_default=False)],
) -> ExitCode:
    """Check a policy. Names each mistake with its place, and each suppression that has expired.

    Exit codes: 0 valid, 1 valid but a suppression has expired, 2 not valid.
    """
    from accesskeys_async.audit import Subject

    checked = read_policy(file)
    settings = checked.settle(Subject(UUID(int=0)))
    count = sum(setting.enabled for setting in settings)
    expired = [one for one in checked.suppressions if one.expires < datetime.now(UTC).date()]
    screen.write(
        f"{printable(str(file))} is valid: {count} of {len(settings)} rules are on, "
        f"{count_of(len(checked.overrides), 'override')}, "
        f"{count_of(len(checked.suppressions), 'suppression')}; hash {checked.hash}\n"
    )
    for one in expired:
        screen.notice(f"{file}: {one.place} expired on {one.expires}: {one.tell()}; renew or remove it")
    return ExitCode.FINDINGS if expired else ExitCode.DONE


@policy.command("explain")
@local
def explain(
    screen: Screen,
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="RULE",
            help="A rule's id, such as AK001. Default: all rules.",
            show_default=False,
            autocompletion=complete_rule,
        ),
    ] = None,
    *,
    policy_file: PolicyFile = None,
) -> None:
    """Explain what a rule finds and how to fix it.

    Also shows how the policy sets the rule, which findings may be harmless, and which published controls
    the rule is an analogue of.
    """
    from accesskeys_async.audit import Subject, describe_rule

    judged = read_policy(policy_file)
    settings = {setting.rule.id: setting for setting in judged.settle(Subject(UUID(int=0)))}
    wanted = list(settings) if rule is None else [rule.upper()]
    for rule_id in wanted:
        if rule_id not in settings:
            raise CommandError(f"there is no rule {rule}; there is {', '.join(settings)}")
    text = "\n".join(_make_printable(describe_rule(settings[rule_id])) for rule_id in wanted)
    screen.write(text if screen.prose_width is None else flow(text, screen.prose_width))


def _make_printable(text: str) -> str:
    # A rule may be anybody's.
    return "".join(f"{printable(line)}\n" for line in text.splitlines())
