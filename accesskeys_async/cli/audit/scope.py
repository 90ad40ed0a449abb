"""What an audit command is about: the policy, the organizations, and the client that reads them."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer
from attrs import frozen

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.loop import TerminatedError
from accesskeys_async.cli.loop import run as run_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from accesskeys_async.audit import Credential, Entry, Policy, Severity
    from accesskeys_async.client import AccessKeysClient

T = TypeVar("T")

Organizations = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ORG", help="Organizations' ids. Default: ACCESSKEYS_ORGANIZATION.", show_default=False
    ),
]
InventoryFile = Annotated[
    Path | None,
    typer.Option(help="A file (NDJSON or CSV) of organizations with their credentials and labels."),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", help="A policy in TOML. Default: each rule with its default settings."),
]


class Level(enum.StrEnum):
    """How much a finding matters, as it is typed."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def severity(self) -> Severity:
        """The severity of that name."""
        from accesskeys_async.audit import Severity

        return Severity[self.name]


@frozen
class AuditScope:
    """Organizations, and how they are judged."""

    policy: Policy
    entries: tuple[Entry, ...]
    hash: str
    """Stands for which organizations these are."""

    def client(self, invocation: Invocation) -> AccessKeysClient:
        """Make the client. It needs a token of its own only for organizations that have none."""
        return invocation.client(token_needed=any(entry.credential is None for entry in self.entries))

    @property
    def credentials(self) -> Mapping[UUID, Credential]:
        """The tokens' places of those organizations that have their own."""
        return {
            entry.subject.organization_id: entry.credential
            for entry in self.entries
            if entry.credential is not None
        }


def read_scope(
    invocation: Invocation, orgs: Sequence[str] | None, inventory: Path | None, policy: Path | None
) -> AuditScope:
    """Read what the options name, before anything is sent. Raises CommandError, and errors of the files."""
    from accesskeys_async._contract.arguments import read_id
    from accesskeys_async.audit import Entry, Subject, read_inventory

    judged = read_policy(policy)
    if inventory is not None:
        if orgs:
            raise CommandError("give organizations or --inventory, not both")
        found = read_inventory(inventory, registry=judged.registry)
        if not found.entries:
            raise CommandError(f"{inventory}: names no organization; add at least one")
        return AuditScope(judged, found.entries, found.hash)
    ids = dict.fromkeys(read_id("ORG", org) for org in orgs or [invocation.organization(None)])
    entries = tuple(Entry(Subject(organization_id)) for organization_id in ids)
    text = " ".join(sorted(str(organization_id) for organization_id in ids))
    return AuditScope(judged, entries, hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


def read_policy(path: Path | None) -> Policy:
    """Read the policy; without a file, the one that changes nothing. Raises PolicyError."""
    from accesskeys_async.audit import Policy, load_policy

    return Policy() if path is None else load_policy(path)


def tell_cost_of_roles(invocation: Invocation) -> None:
    """Say what reading roles takes, before anything is sent."""
    invocation.screen.notice(
        "roles take one request a key more; how many keys there are is known as they are listed"
    )


def run_interruptible(main: Coroutine[object, object, T], *, advice: str) -> T:
    """Run to the end; Ctrl-C and SIGTERM both end it as interrupted, with what to do next."""
    try:
        return run_loop(main)
    except (KeyboardInterrupt, TerminatedError) as error:
        raise CommandError(f"interrupted; {advice}", code=ExitCode.INTERRUPTED) from error
