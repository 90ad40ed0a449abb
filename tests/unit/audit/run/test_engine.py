from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from attrs import evolve

from accesskeys_async import AccessKeysClient, InvalidRequestError, RetryPolicy, Timeout
from accesskeys_async.audit import (
    Checkpoint,
    Credential,
    Entry,
    OrganizationAudit,
    Policy,
    Progress,
    RuleChange,
    Severity,
    Snapshot,
    Subject,
    Summary,
    Suppression,
    audit,
    find_rules,
)
from accesskeys_async.emulator import Emulator, Fault

ORGANIZATIONS = 6
KEYS = 129
RULES = find_rules(installed=())
AT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator(seed=5, organizations=ORGANIZATIONS, keys_per_organization=KEYS - 1) as emulator:
        yield emulator


@pytest.fixture
def emulator(service: Emulator) -> Emulator:
    service.faults.clear()
    return service


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[AccessKeysClient]:
    made = AccessKeysClient(
        "token-of-nobody-000000",
        base_url=emulator.base_url,
        retry=RetryPolicy(max_retries=0),
        timeout=Timeout(connect=5, attempt=5),
        deadline=10,
    )
    async with made:
        yield made


@pytest.fixture
def entries(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Every organization with a token of its own."""
    made: list[Entry] = []
    for number, organization in enumerate(emulator.organizations):
        monkeypatch.setenv(f"TOKEN_{number}", organization.token)
        subject = Subject(UUID(organization.id), (f"label-{number}",))
        made.append(Entry(subject, Credential("env", f"TOKEN_{number}")))
    return made


async def collect(
    client: AccessKeysClient, organizations: object, policy: Policy | None = None, **options: object
) -> tuple[list[OrganizationAudit], Summary]:
    *audits, summary = [
        one async for one in audit(client, organizations, policy, clock=lambda: AT, **options)
    ]
    assert isinstance(summary, Summary)
    return sorted(audits, key=lambda one: one.subject.organization_id.int), summary


def list_findings(audited: OrganizationAudit) -> list[tuple[str, Severity]]:
    return [(finding.fingerprint, finding.severity) for finding in audited.findings]


def find(audits: list[OrganizationAudit], entry: Entry) -> OrganizationAudit:
    return next(one for one in audits if one.subject == entry.subject)


async def test_every_organization_is_read_whole_with_its_own_token_over_one_pool(
    client: AccessKeysClient, entries: list[Entry]
) -> None:
    progress = Progress(total=len(entries))
    audits, summary = await collect(client, entries, progress=progress)
    assert {one.subject for one in audits} == {entry.subject for entry in entries}
    assert all(len(one.keys) == KEYS and one.unreadable is None and one.elapsed > 0 for one in audits)
    assert (summary.organizations, summary.keys) == (ORGANIZATIONS, ORGANIZATIONS * KEYS)
    assert (summary.coverage, summary.is_complete, summary.started_at) == (1.0, True, AT)
    assert (progress.organizations, progress.keys, progress.unreadable) == (ORGANIZATIONS, summary.keys, 0)
    assert progress.requests == ORGANIZATIONS * 2
    assert progress.findings == sum(count for _, count in summary.by_severity)


async def test_the_summary_adds_up(client: AccessKeysClient, entries: list[Entry]) -> None:
    audits, summary = await collect(client, entries)
    findings = [finding for one in audits for finding in one.findings]
    assert dict(summary.by_severity) == {
        severity: count
        for severity in Severity
        if (count := sum(finding.severity is severity for finding in findings))
    }
    for total in summary.by_rule:
        parts = [result for one in audits for result in one.results if result.rule == total.rule]
        for field in ("passed", "failed", "not_evaluated"):
            assert getattr(total, field) == sum(getattr(part, field) for part in parts)
    assert len({finding.fingerprint for finding in findings}) == len(findings)


async def test_the_auditors_own_key_is_marked(client: AccessKeysClient, entries: list[Entry]) -> None:
    audits, _ = await collect(client, entries)
    own = {finding.key for one in audits for finding in one.findings if finding.is_own_key}
    assert len(own) == ORGANIZATIONS
    assert {key.name for key in own if key is not None} == {"emulator"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.status(401), "authentication"),
        (Fault.status(403), "permission"),
        (Fault.status(404), "missing"),
        (Fault.status(418), "response"),
        (Fault.status(429), "unavailable"),
        (Fault.status(500), "unavailable"),
        (Fault.reset_before(), "connection"),
        (Fault.cut_body(), "connection"),
        (Fault.malformed_json(), "response"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_organization_that_fails_is_a_value_and_the_others_go_on(
    client: AccessKeysClient, emulator: Emulator, entries: list[Entry], fault: Fault, reason: str
) -> None:
    failing = entries[2]
    emulator.faults.add(evolve(fault, organization=str(failing.subject.organization_id)))
    audits, summary = await collect(client, entries)
    failed = find(audits, failing)
    assert failed.unreadable is not None
    assert failed.unreadable.reason == reason
    assert (failed.keys, failed.findings, failed.results) == ((), (), ())
    assert sum(one.unreadable is None for one in audits) == ORGANIZATIONS - 1
    assert summary.unreadable == ((failing.subject, failed.unreadable),)
    assert summary.coverage == pytest.approx(1 - 1 / ORGANIZATIONS)
    assert not summary.is_complete


async def test_one_that_breaks_off_in_the_middle_is_not_half_read(
    client: AccessKeysClient, emulator: Emulator, entries: list[Entry]
) -> None:
    async def read_once(request: object, call_next: Callable[..., object]) -> object:
        if "pageToken" in request.query:
            emulator.faults.add(Fault.status(500))
        return await call_next(request)

    (audited,), summary = await collect(client.with_options(middlewares=[read_once]), entries[:1])
    assert audited.unreadable is not None
    assert audited.keys == ()
    assert summary.keys == 0


@pytest.mark.slow
async def test_a_slow_one_times_out(
    emulator: Emulator, entries: list[Entry], client: AccessKeysClient
) -> None:
    emulator.faults.add(Fault.delay(5, organization=str(entries[0].subject.organization_id)))
    audits, _ = await collect(client.with_options(timeout=Timeout(attempt=0.2), deadline=0.5), entries[:2])
    reasons = {find(audits, entry).unreadable for entry in entries[:2]}
    assert {reason and reason.reason for reason in reasons} == {"timeout", None}


async def test_without_a_token_an_organization_is_unreadable_and_the_reference_is_named(
    client: AccessKeysClient, entries: list[Entry]
) -> None:
    async def give() -> str:
        raise RuntimeError("hunter2")

    lost = evolve(entries[0], credential=Credential("env", "NO_SUCH_VARIABLE"))
    audits, _ = await collect(client.with_options(token=give), [lost, evolve(entries[1], credential=None)])
    messages = [
        one.unreadable.message for one in audits if one.unreadable and one.unreadable.reason == "credential"
    ]
    assert sorted(messages) == [
        "env:NO_SUCH_VARIABLE gives no token; it should give one line",
        "what gives the token raised RuntimeError",
    ]


async def test_too_many_keys_are_refused_and_never_cut(
    client: AccessKeysClient, entries: list[Entry]
) -> None:
    (audited,), _ = await collect(client, entries[:1], max_keys=KEYS - 1)
    assert audited.unreadable is not None
    assert audited.unreadable.message == f"has more than {KEYS - 1} keys; raise max_keys"
    (audited,), _ = await collect(client, entries[:1], max_keys=KEYS)
    assert len(audited.keys) == KEYS


async def test_organizations_come_as_ids_subjects_and_from_async_iterables(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    mine = client.with_options(token=emulator.token)
    organization_id = UUID(emulator.organization_id)

    async def give() -> AsyncIterator[object]:
        yield str(organization_id)
        yield organization_id
        yield Subject(organization_id)

    audits, summary = await collect(mine, give())
    assert len(audits) == 1
    assert summary.notes == ("organizations came again and were audited once: 2",)


@pytest.mark.parametrize(
    ("organizations", "options", "problem"),
    [
        ("one", {}, "organizations is a single one; it takes several"),
        ([], {"at_once": 0}, "at_once is 0; it takes 1 or more, or None"),
    ],
)
async def test_bounds_are_checked_at_once(
    client: AccessKeysClient, organizations: object, options: dict[str, int], problem: str
) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        audit(client, organizations, **options)


async def test_what_is_no_id_is_raised(client: AccessKeysClient) -> None:
    with pytest.raises(InvalidRequestError, match="organizations is 1 characters and not a UUID"):
        await collect(client, ["x"])


async def test_labels_and_an_inventorys_changes_set_the_rules(
    client: AccessKeysClient, entries: list[Entry]
) -> None:
    off = {rule_id: RuleChange(enabled=False) for rule_id in RULES}
    plain = entries[0]
    changed = evolve(entries[1], changes={"AK010": RuleChange(enabled=True, severity=Severity.CRITICAL)})
    audits, _ = await collect(client, [plain, changed], Policy(registry=RULES, rules=off))
    assert find(audits, plain).results == ()
    (finding,) = find(audits, changed).findings
    assert (finding.rule, finding.severity) == ("AK010", Severity.CRITICAL)


@pytest.mark.slow
async def test_suppressed_findings_do_not_count(client: AccessKeysClient, entries: list[Entry]) -> None:
    muted = Suppression(rule="glob:AK*", reason="r", owner="o", expires=AT.date(), place="suppressions #1")
    lost = Suppression(rule="AK026", reason="r", owner="o", expires=AT.date(), place="suppressions #2")
    policy = Policy(registry=RULES, suppressions=(muted, lost))
    audits, summary = await collect(client, entries[:1], policy)
    assert all(finding.suppressed == "r (o, until 2030-01-01)" for finding in audits[0].findings)
    assert (summary.by_severity, summary.suppressed) == ((), len(audits[0].findings))
    assert summary.notes == ("suppressions #2 met no finding: r (o, until 2030-01-01); is it still needed?",)


async def test_what_amends_sees_every_organization_before_suppressions(
    client: AccessKeysClient, emulator: Emulator, entries: list[Entry]
) -> None:
    seen: list[tuple[UUID, int]] = []

    async def amend(audited: OrganizationAudit, snapshot: Snapshot, settings: object) -> OrganizationAudit:
        seen.append((snapshot.subject.organization_id, len(snapshot.keys)))
        return evolve(audited, findings=())

    emulator.faults.add(Fault.status(403, organization=str(entries[0].subject.organization_id)))
    audits, _ = await collect(client, entries[:2], amend=amend)
    assert dict(seen) == {entries[0].subject.organization_id: 0, entries[1].subject.organization_id: KEYS}
    assert all(one.findings == () for one in audits)


@pytest.mark.slow
async def test_a_checkpoint_spares_what_was_read_and_gives_the_same(
    client: AccessKeysClient, emulator: Emulator, entries: list[Entry], tmp_path: Path
) -> None:
    def open_checkpoint(*, resume: bool, now: datetime = AT) -> Checkpoint:
        path = tmp_path / "checkpoint"
        return Checkpoint.open(path, policy_hash="p", inventory_hash="i", resume=resume, now=now)

    whole, _ = await collect(client, entries)
    with open_checkpoint(resume=False) as checkpoint:
        emulator.faults.add(Fault.status(403, organization=str(entries[0].subject.organization_id)))
        async with aclosing(audit(client, entries, at_once=1, checkpoint=checkpoint)) as audits:
            for _ in range(3):
                await anext(audits)
    progress = Progress()
    with open_checkpoint(resume=True, now=AT + timedelta(days=3)) as checkpoint:
        kept = len(checkpoint)
        assert 2 <= kept < ORGANIZATIONS
        resumed, summary = await collect(client, entries, checkpoint=checkpoint, progress=progress)
    assert summary.started_at == AT
    assert progress.resumed == kept
    assert progress.requests == 2 * (ORGANIZATIONS - kept)
    assert [list_findings(one) for one in resumed] == [list_findings(one) for one in whole]
    assert [one.subject for one in resumed] == [one.subject for one in whole]
    assert len((tmp_path / "checkpoint").read_bytes().splitlines()) == 1 + ORGANIZATIONS
