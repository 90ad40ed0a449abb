"""What an audit's exit code is, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.output.row_writers import count_of

if TYPE_CHECKING:
    from accesskeys_async.audit import Severity, Summary


@frozen
class Verdict:
    """An exit code with its reason."""

    code: ExitCode
    reason: str


def decide(summary: Summary, *, fail_on: Severity, exit_zero: bool = False, failed_rules: int = 0) -> Verdict:
    """Choose the exit code of an audit that came to its end.

    What could not be read or judged is stronger than what was found: nobody knows what is in it.
    `exit_zero` excuses findings, and nothing else. `failed_rules` is how many rules raised.
    """
    if summary.unreadable:
        return _tell_unreadable(summary)
    if summary.partly_read:
        return Verdict(ExitCode.INCOMPLETE, _tell_unread_roles(summary))
    if failed_rules:
        rules = "1 rule" if failed_rules == 1 else f"{failed_rules} rules"
        return Verdict(ExitCode.INCOMPLETE, f"{rules} failed and did not judge everything")
    counted = sum(count for severity, count in summary.by_severity if severity >= fail_on)
    level = fail_on.name.lower()
    if not counted:
        return Verdict(ExitCode.DONE, f"all was read, and nothing was found at {level} or worse")
    found = f"{counted:,} finding{'' if counted == 1 else 's'} at {level} or worse"
    if exit_zero:
        return Verdict(ExitCode.DONE, f"{found}, which --exit-zero excuses")
    return Verdict(ExitCode.FINDINGS, found)


def _tell_unread_roles(summary: Summary) -> str:
    keys = count_of(summary.unread_roles, "key")
    return f"the roles of {keys} in {count_of(summary.partly_read, 'organization')} could not be read"


def _tell_unreadable(summary: Summary) -> Verdict:
    from accesskeys_async.audit import UnreadableReason

    count = len(summary.unreadable)
    reasons = {unreadable.reason for _, unreadable in summary.unreadable}
    if count == summary.organizations and reasons <= {
        UnreadableReason.AUTHENTICATION,
        UnreadableReason.CREDENTIAL,
    }:
        return Verdict(ExitCode.AUTHENTICATION, "no organization could be read: there is no token that works")
    return Verdict(
        ExitCode.INCOMPLETE,
        f"{count:,} of {summary.organizations:,} organizations could not be read whole",
    )
