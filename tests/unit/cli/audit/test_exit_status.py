from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from accesskeys_async.audit import Severity, Subject, Summary, Unreadable
from accesskeys_async.cli.audit.exit_status import decide
from accesskeys_async.cli.exits import ExitCode


def _summarize(*reasons: str, organizations: int = 3, unread_roles: int = 0, **counts: int) -> Summary:
    return Summary(
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        elapsed=1.0,
        policy_hash="",
        organizations=organizations,
        unreadable=tuple(
            (Subject(UUID(int=number)), Unreadable(reason, "no")) for number, reason in enumerate(reasons)
        ),
        keys=1,
        by_severity=tuple((Severity[name], count) for name, count in counts.items()),
        by_rule=(),
        suppressed=0,
        partly_read=unread_roles and 2,
        unread_roles=unread_roles,
    )


@pytest.mark.parametrize(
    ("summary", "settings", "code", "reason"),
    [
        (_summarize(), {}, ExitCode.DONE, "nothing was found at high or worse"),
        (_summarize(MEDIUM=7), {}, ExitCode.DONE, "nothing was found at high or worse"),
        (_summarize(HIGH=1), {}, ExitCode.FINDINGS, "1 finding at high or worse"),
        (_summarize(CRITICAL=1200, HIGH=34), {}, ExitCode.FINDINGS, "1,234 findings at high or worse"),
        (_summarize(HIGH=1), {"exit_zero": True}, ExitCode.DONE, "which --exit-zero excuses"),
        (_summarize(HIGH=1), {"fail_on": Severity.CRITICAL}, ExitCode.DONE, "at critical or worse"),
        (_summarize(INFO=1), {"fail_on": Severity.INFO}, ExitCode.FINDINGS, "1 finding at info or worse"),
        (_summarize("timeout", HIGH=1), {}, ExitCode.INCOMPLETE, "1 of 3 organizations could not be read"),
        (
            _summarize(unread_roles=1_200, HIGH=1),
            {"exit_zero": True},
            ExitCode.INCOMPLETE,
            "the roles of 1,200 keys in 2 organizations could not be read",
        ),
        (
            _summarize("timeout", unread_roles=5),
            {},
            ExitCode.INCOMPLETE,
            "1 of 3 organizations could not be read",
        ),
        (_summarize("permission"), {"exit_zero": True}, ExitCode.INCOMPLETE, "1 of 3 organizations"),
        (_summarize(*["authentication"] * 3), {}, ExitCode.AUTHENTICATION, "no token that works"),
        (_summarize("authentication", "credential", "credential"), {}, ExitCode.AUTHENTICATION, "no token"),
        (_summarize("authentication"), {}, ExitCode.INCOMPLETE, "1 of 3"),
        (_summarize("authentication", "timeout", "timeout"), {}, ExitCode.INCOMPLETE, "3 of 3"),
        (_summarize(HIGH=1), {"failed_rules": 1}, ExitCode.INCOMPLETE, "1 rule failed"),
        (_summarize(), {"failed_rules": 2, "exit_zero": True}, ExitCode.INCOMPLETE, "2 rules failed"),
    ],
)
def test_the_exit_code_is_that_of_the_worst_and_says_why(
    summary: Summary, settings: dict[str, object], code: ExitCode, reason: str
) -> None:
    verdict = decide(summary, **{"fail_on": Severity.HIGH, **settings})  # type: ignore[arg-type]

    assert verdict.code == code
    assert reason in verdict.reason
