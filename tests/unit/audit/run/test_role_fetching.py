"""An audit that reads the roles of every key, with one request a key more."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async import InvalidRequestError
from accesskeys_async.audit import Checkpoint, CheckpointError, OrganizationAudit, Progress, Summary, audit
from accesskeys_async.errors import ClientClosedError, NotFoundError, PermissionDeniedError
from accesskeys_async.records import UNSET, AccessKey, AccessKeyPage, Policy, PolicyDefinition, Role, RoleRef
from tests.unit.audit.judged import AT, ORGANIZATION, make_key
from tests.unit.audit.scripted import Pages, Scripted

ONE, TWO = UUID(int=1), UUID(int=2)
ADMIN = Role(
    UUID(int=0xAD),
    name="admin",
    policies=(Policy(UUID(int=9), definitions=(PolicyDefinition("allow", ("*",), ("any",)),)),),
)
REFERENCES = (RoleRef(ADMIN.id, "organization", (UUID(int=0x5ACE),)),)
DENIED = PermissionDeniedError("no", status=403)
DELETED = NotFoundError("gone", status=404)


def make_client(*keys: AccessKey, others: tuple[AccessKey, ...] = ()) -> Scripted:
    first, second = (Pages({"0": AccessKeyPage(listed, None)}) for listed in (keys, others))
    return Scripted(first, org2=second)


async def collect(
    client: Scripted, *organizations: UUID, roles: bool = True, **options: object
) -> tuple[list[OrganizationAudit], Summary]:
    *audits, summary = [
        one
        async for one in audit(
            client, organizations or (ORGANIZATION,), clock=lambda: AT, roles=roles, **options
        )
    ]
    assert isinstance(summary, Summary)
    return audits, summary


def result_of(audited: OrganizationAudit, rule: str) -> tuple[int, int, int, str | None]:
    [one] = [one for one in audited.results if one.rule == rule]
    return one.passed, one.failed, one.not_evaluated, one.reason


async def test_nothing_is_read_alone_unless_roles_are_requested() -> None:
    client = make_client(make_key(), make_key())
    [audited], summary = await collect(client, roles=False)
    assert client.gets == []
    reason = "roles were not requested; use --roles, which sends one more request for each key"
    assert result_of(audited, "AK036") == (0, 0, 2, reason)
    assert summary.coverage == 1


async def test_every_key_is_read_once_and_its_whole_roles_are_judged() -> None:
    keys = [make_key(role_refs=REFERENCES) for _ in range(3)]
    client = make_client(*keys)
    client.roles = {key.id: (ADMIN,) for key in keys[:2]} | {keys[2].id: ()}
    progress = Progress()
    [audited], summary = await collect(client, progress=progress)
    assert sorted(client.gets) == sorted(key.id for key in keys)
    assert result_of(audited, "AK036") == (1, 2, 0, None)
    assert result_of(audited, "AK039") == (2, 1, 0, None)
    assert (progress.roles_wanted, progress.roles_read) == (3, 3)
    assert (audited.unread_roles, summary.coverage, summary.is_complete) == (0, 1.0, True)


async def test_the_references_stay_those_of_the_list_which_tells_workspaces() -> None:
    key = make_key(role_refs=REFERENCES)
    client = make_client(key)
    client.roles = {key.id: (ADMIN,)}
    [audited], _ = await collect(client)
    assert audited.keys[0].role_refs is REFERENCES
    assert audited.keys[0].roles == (ADMIN,)
    assert audited.keys[0].name == key.name


async def test_no_more_keys_are_read_at_a_time_than_organizations_would_be() -> None:
    keys = tuple(make_key() for _ in range(40))
    client = make_client(*keys, others=tuple(make_key() for _ in range(40)))
    audits, _ = await collect(client, ONE, TWO, at_once=5)
    assert len(audits) == 2
    assert len(client.gets) == 80
    assert client.most_at_once == 5


async def test_a_key_that_was_deleted_meanwhile_is_not_evaluated_and_lowers_nothing() -> None:
    kept, deleted = make_key(), make_key()
    client = make_client(kept, deleted)
    client.roles = {deleted.id: DELETED}
    [audited], summary = await collect(client)
    assert result_of(audited, "AK036") == (1, 0, 1, "roles could not be read: missing")
    assert (summary.coverage, summary.partly_read, summary.unread_roles) == (1.0, 0, 0)


async def test_a_key_that_is_refused_is_not_evaluated_and_its_organization_is_read_in_part() -> None:
    kept, denied = make_key(), make_key()
    client = make_client(kept, denied, others=(make_key(),))
    client.roles = {denied.id: DENIED}
    audits, summary = await collect(client, ONE, TWO)
    [partly] = [one for one in audits if one.unread_roles]
    assert partly.unreadable is None
    assert result_of(partly, "AK037") == (1, 0, 1, "roles could not be read: permission")
    assert len(partly.keys) == 2
    assert (summary.coverage, summary.partly_read, summary.unread_roles) == (0.5, 1, 1)
    assert not summary.is_complete


async def test_roles_that_a_response_leaves_out_are_not_evaluated() -> None:
    key = make_key()
    client = make_client(key)
    client.roles = {key.id: UNSET}
    [audited], summary = await collect(client)
    assert result_of(audited, "AK038") == (0, 0, 1, "the response did not tell all of the key's roles")
    assert summary.is_complete


async def test_a_client_that_is_closed_ends_the_audit() -> None:
    key = make_key()
    client = make_client(key)
    client.roles = {key.id: ClientClosedError("closed")}
    with pytest.raises(ClientClosedError):
        await collect(client)


def begin(path: Path, *, roles: bool = True, resume: bool = False) -> Checkpoint:
    return Checkpoint.open(path, policy_hash="p", inventory_hash="i", roles=roles, resume=resume, now=AT)


async def test_a_checkpoint_keeps_roles_and_reads_none_of_them_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.checkpoint"
    key, deleted = make_key(role_refs=REFERENCES), make_key()
    client = make_client(key, deleted)
    client.roles = {key.id: (ADMIN,), deleted.id: DELETED}
    with begin(path) as checkpoint:
        [before], _ = await collect(client, checkpoint=checkpoint)
    client.gets.clear()
    with begin(path, resume=True) as checkpoint:
        [after], _ = await collect(client, checkpoint=checkpoint)
    assert client.gets == []
    assert after.keys == before.keys
    assert after.findings == before.findings
    assert after.results == before.results
    assert result_of(after, "AK036") == (0, 1, 1, "roles could not be read: missing")


async def test_what_was_read_in_part_is_read_again_when_the_audit_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.checkpoint"
    key = make_key()
    client = make_client(key)
    client.roles = {key.id: DENIED}
    with begin(path) as checkpoint:
        await collect(client, checkpoint=checkpoint)
    client.roles = {key.id: (ADMIN,)}
    with begin(path, resume=True) as checkpoint:
        assert ORGANIZATION not in checkpoint
        [audited], summary = await collect(client, checkpoint=checkpoint)
    with begin(path, resume=True) as checkpoint:
        assert ORGANIZATION in checkpoint
    assert result_of(audited, "AK036")[1] == 1
    assert summary.is_complete


@pytest.mark.parametrize("roles", [True, False])
async def test_a_checkpoint_goes_on_only_as_it_was_begun(tmp_path: Path, roles: bool) -> None:
    path = tmp_path / "audit.checkpoint"
    begin(path, roles=roles).close()
    was, now = ("read", "not read") if roles else ("not read", "read")
    problem = f"is of an audit with roles {was}, not with roles {now}"
    with pytest.raises(CheckpointError) as caught:
        begin(path, roles=not roles, resume=True)
    assert str(caught.value) == (f"{path}: {problem}; begin a new one, or go on as it was begun")
    with (
        begin(path, roles=roles, resume=True) as checkpoint,
        pytest.raises(InvalidRequestError, match="roles"),
    ):
        await collect(make_client(), roles=not roles, checkpoint=checkpoint)
