"""The new key gets the old one's roles, or those that were given; a difference stops the rotation."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from attrs import define, evolve, field

from accesskeys_async import InvalidRequestError, RoleRef
from accesskeys_async._http.messages import Next, Request, Response
from accesskeys_async.records import UNSET
from accesskeys_async.rotation import Progress, Rotation, RotationRefusedError, Rotator, State
from accesskeys_async.rotation.roles import ReportedRoles, differ
from tests.unit.rotation.yard import NOW, Yard

pytestmark = pytest.mark.slow

READ, WRITE, OTHER = (UUID(int=number) for number in (501, 502, 503))
HERE, THERE = UUID(int=601), UUID(int=602)
Refs = list[dict[str, Any]]


def _ref(role: UUID, *workspaces: UUID, **fields: object) -> dict[str, Any]:
    return {"id": str(role), "workspaces": [str(workspace) for workspace in workspaces], **fields}


@define
class RoleService:
    """What the service says of roles, put into what passes by: a middleware."""

    refs: dict[str, Refs | None] = field(factory=dict)
    ids: dict[str, list[str]] = field(factory=dict)
    """In the deprecated form; a key that is not here is not told of."""
    list_reports: bool = True
    create_reports: bool = True
    hidden: set[str] = field(factory=set)
    """Keys that the list leaves out."""
    grant: Callable[[Refs], Refs | None] = lambda refs: refs
    """Which roles the service gives to a key that was to have these."""
    created: list[dict[str, Any]] = field(factory=list)
    """The bodies of the creates."""

    async def __call__(self, request: Request, call_next: Next) -> Response:
        asked: dict[str, Any] = {}
        if request.operation == "createAccessKey":
            asked = json.loads(request.body or b"")
            self.created.append(asked)
            plain = {name: asked[name] for name in ("name", "description")}
            request = evolve(request, body=json.dumps(plain).encode())
        response = await call_next(request)
        if response.status not in {200, 201}:
            return response
        body = json.loads(response.body)
        record = body["accessKey"] if isinstance(body.get("accessKey"), dict) else body
        match request.operation:
            case "createAccessKey":
                self._grant(record["id"], asked)
                self._tell(record, self.create_reports)
            case "listAccessKeys":
                body["results"] = [key for key in body["results"] if key["id"] not in self.hidden]
                for key in body["results"]:
                    self._tell(key, self.list_reports)
            case "getAccessKey":
                self._tell(record, tells=False)
                if record["id"] in self.refs:
                    record["roles"] = [
                        {"id": ref["id"], "name": "r"} for ref in self.refs[record["id"]] or []
                    ]
                if record["id"] in self.ids:
                    record["roleIds"] = self.ids[record["id"]]
            case _:
                self._tell(record, tells=True)
        return Response(response.status, response.headers, json.dumps(body).encode())

    def _grant(self, key_id: str, asked: dict[str, Any]) -> None:
        self.refs[key_id] = self.grant(asked.get("roleRefs", []))

    def _tell(self, record: dict[str, Any], tells: bool) -> None:
        for name in ("roleIds", "roleRefs", "roles"):
            record.pop(name, None)
        if tells and record["id"] in self.refs:
            record["roleRefs"] = self.refs[record["id"]]
        if tells and record["id"] in self.ids:
            record["roleIds"] = self.ids[record["id"]]


@pytest.fixture
def service() -> RoleService:
    return RoleService()


@pytest.fixture
def rotator(yard: Yard, service: RoleService) -> Rotator:
    return yard.make_rotator(client=yard.client.with_options(middlewares=[service]))


async def _rotate(yard: Yard, rotator: Rotator, **terms: Any) -> Progress:
    return await yard.run_to_end(rotator, await yard.plan(rotator, **terms))


def _grants(refs: Sequence[dict[str, Any]]) -> set[tuple[str, frozenset[str]]]:
    return {(ref["id"], frozenset(ref.get("workspaces") or ())) for ref in refs}


@pytest.mark.parametrize(
    "refs",
    [
        [_ref(READ)],
        [_ref(READ, HERE)],
        [_ref(WRITE, HERE, THERE, type="managed"), {"id": str(READ), "workspaces": None}],
    ],
)
async def test_the_new_key_gets_the_old_ones_roles_with_their_workspaces(
    yard: Yard, service: RoleService, rotator: Rotator, refs: Refs
) -> None:
    service.refs[yard.old_id] = refs

    done = await _rotate(yard, rotator)

    assert done.state is State.CONFIRMED, done.rotation.problem
    [asked] = service.created
    assert _grants(asked["roleRefs"]) == _grants(refs)


async def test_roles_that_are_changed_after_the_plan_are_copied_as_they_are_then(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    service.refs[yard.old_id] = [_ref(READ)]
    rotation_id = await yard.plan(rotator)
    service.refs[yard.old_id] = [_ref(WRITE)]

    await yard.run_to_end(rotator, rotation_id)

    assert _grants(service.created[0]["roleRefs"]) == _grants([_ref(WRITE)])


async def test_roles_that_were_given_are_taken_and_the_old_keys_left(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    service.refs[yard.old_id] = [_ref(READ)]

    done = await _rotate(yard, rotator, role_refs=[RoleRef(OTHER, workspaces=(HERE,))])

    assert done.state is State.CONFIRMED
    assert _grants(service.created[0]["roleRefs"]) == _grants([_ref(OTHER, HERE)])


async def test_roles_out_of_bounds_are_refused_before_anything_is_planned(
    yard: Yard, rotator: Rotator
) -> None:
    with pytest.raises(InvalidRequestError, match="role_refs"):
        await yard.plan(rotator, role_refs=[])

    assert await yard.journal.find() == ()


async def test_a_plan_with_other_roles_is_refused_and_one_with_the_same_is_the_same(
    yard: Yard, rotator: Rotator
) -> None:
    first = await yard.plan(rotator, role_refs=[READ, RoleRef(WRITE, workspaces=(HERE, THERE))])

    again = await yard.plan(rotator, role_refs=[RoleRef(WRITE, workspaces=(THERE, HERE)), READ])

    assert again == first
    for other in ({}, {"role_refs": [READ]}):
        with pytest.raises(RotationRefusedError, match="on other terms"):
            await yard.plan(rotator, **other)


async def test_a_rotation_that_has_copied_roles_may_be_planned_again(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    service.refs[yard.old_id] = [_ref(READ)]
    rotation_id = await yard.plan(rotator)
    await rotator.run(rotation_id)

    assert await yard.plan(rotator) == rotation_id


async def test_roles_whose_workspaces_are_unknown_are_not_copied(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    service.refs[yard.old_id] = [_ref(READ, HERE)]
    service.list_reports = False

    stuck = await rotator.run(await yard.plan(rotator))

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.PLANNED)
    assert "get does not report their workspaces; abort, and plan again with role_refs" in (
        stuck.rotation.problem or ""
    )
    assert service.created == []


async def test_an_old_key_that_is_not_listed_yet_is_looked_for_later(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    service.refs[yard.old_id] = [_ref(READ, HERE)]
    service.hidden.add(yard.old_id)
    rotation_id = await yard.plan(rotator)

    waiting = await rotator.run(rotation_id)

    assert (waiting.state, waiting.rotation.failures) == (State.PLANNED, 1)
    assert f"access key {yard.old_id} was not found in the list" in (waiting.rotation.problem or "")
    assert service.created == []
    service.hidden.clear()
    done = await yard.run_to_end(rotator, rotation_id)
    assert done.state is State.CONFIRMED, done.rotation.problem
    assert _grants(service.created[0]["roleRefs"]) == _grants([_ref(READ, HERE)])


@pytest.mark.parametrize("refs", ["not reported", []])
async def test_a_key_that_get_reports_without_roles_is_replaced_by_one_without(
    yard: Yard, service: RoleService, rotator: Rotator, refs: Any
) -> None:
    service.list_reports = False
    if refs != "not reported":
        service.refs[yard.old_id] = refs

    done = await _rotate(yard, rotator)

    assert done.state is State.CONFIRMED, done.rotation.problem
    assert service.created[0].keys() == {"name", "description"}


@pytest.mark.parametrize("create_reports", [True, False])
async def test_roles_in_the_deprecated_form_alone_are_copied_as_references(
    yard: Yard, service: RoleService, rotator: Rotator, create_reports: bool
) -> None:
    service.ids[yard.old_id] = [str(READ), str(WRITE).upper()]
    service.create_reports = create_reports

    done = await _rotate(yard, rotator)

    assert done.state is State.CONFIRMED, done.rotation.problem
    assert _grants(service.created[0]["roleRefs"]) == _grants([_ref(READ), _ref(WRITE)])
    assert "roleIds" not in service.created[0]


async def test_a_role_id_that_is_not_a_uuid_needs_a_person(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    service.ids[yard.old_id] = [str(READ), "admin"]

    stuck = await rotator.run(await yard.plan(rotator))

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.PLANNED)
    assert "has the role id 'admin', which is not a UUID; abort, and plan again with role_refs" in (
        stuck.rotation.problem or ""
    )
    assert service.created == []


@pytest.mark.parametrize("refs", [[], None, "not told"])
async def test_a_key_without_roles_copies_none_and_says_so(
    yard: Yard, service: RoleService, rotator: Rotator, caplog: pytest.LogCaptureFixture, refs: Any
) -> None:
    if refs != "not told":
        service.refs[yard.old_id] = refs

    done = await _rotate(yard, rotator)

    assert done.state is State.CONFIRMED
    assert service.created[0].keys() == {"name", "description"}
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert any(f"access key {done.rotation.key_id} has no roles" in message for message in told)


@pytest.mark.parametrize("create_reports", [True, False])
@pytest.mark.parametrize(
    ("grant", "told"),
    [
        (lambda refs: [], f"wanted {READ} in {HERE}, got none"),
        (lambda refs: None, f"wanted {READ} in {HERE}, got none"),
        (lambda refs: [_ref(READ)], f"wanted {READ} in {HERE}, got {READ};"),
        (lambda refs: [_ref(READ, THERE)], f"got {READ} in {THERE}"),
        (lambda refs: [*refs, _ref(OTHER)], f"got {READ} in {HERE}; {OTHER}"),
    ],
)
async def test_other_roles_than_wanted_stop_the_rotation_before_the_token_is_out(
    yard: Yard,
    service: RoleService,
    rotator: Rotator,
    create_reports: bool,
    grant: Callable[[Refs], Refs | None],
    told: str,
) -> None:
    old_id = yard.old_id
    service.refs[old_id] = [_ref(READ, HERE)]
    service.create_reports, service.grant = create_reports, grant

    stuck = await rotator.run(await yard.plan(rotator))

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.CREATED)
    assert "had other roles than it was to have" in (stuck.rotation.problem or "")
    assert "; the new key was deleted, and nobody has had its token;" in (stuck.rotation.problem or "")
    assert told in (stuck.rotation.problem or "")
    assert (yard.key_ids, yard.sink.deliveries) == ([old_id], [])
    service.grant = lambda refs: refs
    await rotator.retry(stuck.rotation.id)
    assert (await yard.run_to_end(rotator, stuck.rotation.id)).state is State.CONFIRMED


async def test_a_rotation_that_was_stopped_for_its_roles_can_be_aborted(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    old_id = yard.old_id
    service.refs[old_id] = [_ref(READ)]
    service.grant = lambda refs: []
    stuck = await rotator.run(await yard.plan(rotator))

    assert (await rotator.abort(stuck.rotation.id)).state is State.ABORTED
    assert yard.key_ids == [old_id]


async def test_roles_that_are_lost_before_the_grace_stop_the_rotation_there(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    service.refs[yard.old_id] = [_ref(READ)]

    def lose_roles() -> None:
        service.refs.update({key_id: [] for key_id in yard.key_ids if key_id != yard.old_id})

    yard.sink.before = lose_roles

    stuck = await rotator.run(await yard.plan(rotator))

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.VERIFIED)
    assert f"no longer has the roles it was to have: wanted {READ}, got none" in (
        stuck.rotation.problem or ""
    )
    assert len(yard.key_ids) == 2


async def test_an_old_key_on_a_later_page_is_found(
    yard: Yard, service: RoleService, rotator: Rotator
) -> None:
    for number in range(120):
        await yard.client.create(yard.organization, name=f"n{number}", description="d")
    key_id = yard.service.keys(yard.organization)[-1].id
    for key in yard.service.keys(yard.organization):
        service.refs[key.id] = [_ref(WRITE)]
    service.refs[key_id] = [_ref(READ, HERE)]

    rotation = await rotator.plan(yard.organization, key_id)
    await rotator.run(rotation.id)

    assert _grants(service.created[0]["roleRefs"]) == _grants([_ref(READ, HERE)])


def _reported(*refs: RoleRef, **fields: Any) -> ReportedRoles:
    return ReportedRoles(refs, **fields)


@pytest.mark.parametrize(
    ("wanted", "reported", "is_same"),
    [
        ((RoleRef(READ),), _reported(RoleRef(READ, "managed", None)), True),
        ((RoleRef(READ),), _reported(RoleRef(READ, workspaces=())), True),
        ((RoleRef(READ), RoleRef(WRITE)), _reported(RoleRef(WRITE), RoleRef(READ)), True),
        (
            (RoleRef(READ, workspaces=(HERE, THERE)),),
            _reported(RoleRef(READ, workspaces=(THERE, HERE))),
            True,
        ),
        ((RoleRef(READ, workspaces=(HERE,)),), _reported(RoleRef(READ)), False),
        ((RoleRef(READ),), _reported(RoleRef(READ, workspaces=(HERE,))), False),
        ((RoleRef(READ, workspaces=(HERE,)),), _reported(RoleRef(READ), with_workspaces=False), True),
        ((RoleRef(READ),), ReportedRoles(ids=(str(READ).upper(),)), True),
        ((RoleRef(READ),), ReportedRoles(ids=(READ.hex,)), True),
        ((RoleRef(READ),), ReportedRoles(ids=(str(WRITE),)), False),
        ((RoleRef(READ),), ReportedRoles(ids=(str(READ), "admin")), False),
        ((RoleRef(READ),), ReportedRoles(), False),
        ((), ReportedRoles(), True),
        ((), _reported(RoleRef(READ)), False),
    ],
)
def test_roles_are_compared_by_role_and_workspaces(
    make_rotation: Callable[..., Rotation],
    wanted: tuple[RoleRef, ...],
    reported: ReportedRoles,
    is_same: bool,
) -> None:
    assert (differ(make_rotation(role_refs=wanted), reported) is None) is is_same


def test_many_workspaces_are_told_in_short(make_rotation: Callable[..., Rotation]) -> None:
    many = RoleRef(READ, workspaces=tuple(UUID(int=number) for number in range(600, 610)))

    told = differ(make_rotation(role_refs=(many,)), _reported())

    assert told is not None
    assert told.endswith(" and 7 more, got none")


async def test_roles_read_back_from_the_journal(yard: Yard, make_rotation: Callable[..., Rotation]) -> None:
    refs = (RoleRef(READ, "managed", (HERE, THERE)), RoleRef(WRITE, UNSET, UNSET))
    fields: tuple[dict[str, Any], ...] = ({"copy_roles": False, "role_refs": refs}, {"role_refs": ()}, {})
    for number, roles in enumerate(fields, 1):
        rotation = make_rotation(number, planned_at=NOW, **roles)
        await yard.journal.add(rotation)
        assert await yard.journal.get(rotation.id) == rotation
