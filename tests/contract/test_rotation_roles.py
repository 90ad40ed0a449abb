"""A key is rotated whatever its roles allow, against a service that enforces them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from accesskeys_async import AccessKeysClient, RoleRef
from accesskeys_async.emulator import Emulator
from accesskeys_async.rotation import DirectorySink, Journal, Rotator, State


async def test_a_key_of_every_role_is_rotated_to_its_end(tmp_path: Path) -> None:
    async with (
        Emulator(keys_per_organization=1, enforce_roles=True) as service,
        AccessKeysClient(service.token, base_url=service.base_url) as client,
        Journal(tmp_path / "journal.sqlite") as journal,
    ):
        org = service.organization_id
        names = {role.id: role.name for role in service.roles(org)}
        rotator = Rotator(client, journal, DirectorySink(tmp_path))
        ends: dict[str, tuple[State, str | None]] = {}
        holders: dict[str, str | None] = {}
        for role_id, name in names.items():
            refs = [RoleRef(UUID(role_id))]
            old = await client.create(org, name=name, description="least privilege", role_refs=refs)
            planned = await rotator.plan(org, old.id, grace=timedelta(0), require_idle=False)
            rotation = (await rotator.run(planned.id)).rotation
            ends[name] = (rotation.state, rotation.problem)
            token = (tmp_path / str(old.id)).read_text().strip()
            holder = service.verify(org, token)
            kept = next(key for key in service.keys(org) if key.id == holder)
            holders[name] = kept.role_refs[0].id

        assert len(names) >= 12
        assert ends == dict.fromkeys(names.values(), (State.CONFIRMED, None))
        assert holders == {name: role_id for role_id, name in names.items()}
