"""Names of keys that have a secret in their metadata: no report, plan or summary shows them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from attrs import evolve

from accesskeys_async.audit.records import Finding

SECRET_RULE: Final = "AK024"  # noqa: S105 - a rule's id
"""The rule that finds secrets in metadata."""
WITHHELD: Final = f"(withheld: {SECRET_RULE})"
"""Replaces the name of a key that has a secret in its metadata."""


def withhold_names(findings: tuple[Finding, ...], secret_keys: set[UUID]) -> tuple[Finding, ...]:
    """Replace the names in findings about keys that have a secret in their metadata; `secret_keys` grows."""
    secret_keys.update(finding.key.id for finding in findings if finding.rule == SECRET_RULE and finding.key)
    if not secret_keys:
        return findings
    return tuple(
        evolve(finding, key=evolve(finding.key, name=WITHHELD, description=None))
        if finding.key and finding.key.id in secret_keys
        else finding
        for finding in findings
    )
