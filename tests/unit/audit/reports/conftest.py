from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import pytest

from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.audit.reports import ReportWriter

Render: TypeAlias = Callable[[ReportWriter, Iterable[OrganizationAudit | Summary]], bytes]


@pytest.fixture
def render() -> Render:
    """Make a report of an audit's parts, as bytes."""

    def render(writer: ReportWriter, parts: Iterable[OrganizationAudit | Summary]) -> bytes:
        made = [writer.begin()]
        for part in parts:
            made.append(writer.end(part) if isinstance(part, Summary) else writer.organization(part))
        return b"".join(made)

    return render
