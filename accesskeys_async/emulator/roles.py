"""The IAM roles and workspaces of an organization: the plain records, and what follows from the seed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import attrs

from .derivation import Derivation

RoleType = Literal["organization", "managed"]
Effect = Literal["allow", "deny"]
Action = Literal["view", "create", "update", "delete", "any"]

_WORKSPACES = ("Production", "Staging", "Marketing", "Support")


@attrs.frozen
class StoredDefinition:
    """What a policy says: an effect for actions on resources, which are paths with `*`."""

    effect: Effect
    resources: tuple[str, ...]
    actions: tuple[Action, ...]

    def to_json(self) -> dict[str, object]:
        """Return the contract's PolicyDefinition."""
        return {
            "effect": self.effect,
            "resources": list(self.resources),
            "actions": list(self.actions),
            "conditionsAll": [],
        }


@attrs.frozen
class StoredPolicy:
    """A named list of definitions."""

    id: str
    name: str
    description: str
    type: RoleType
    definitions: tuple[StoredDefinition, ...]

    def to_json(self) -> dict[str, object]:
        """Return the contract's Policy."""
        fields = attrs.asdict(self, filter=lambda attribute, _: attribute.name != "definitions")
        return {
            **fields,
            "scope": "organization",
            "definitions": [definition.to_json() for definition in self.definitions],
        }


@attrs.frozen
class StoredRole:
    """A role with its policies; a managed one is the same in every organization, and belongs to none."""

    id: str
    organization_id: str | None
    name: str
    description: str
    type: RoleType
    policies: tuple[StoredPolicy, ...]

    @property
    def definitions(self) -> tuple[StoredDefinition, ...]:
        """The definitions of every policy."""
        return tuple(definition for policy in self.policies for definition in policy.definitions)

    def to_json(self) -> dict[str, object]:
        """Return the contract's Role."""
        owner = {} if self.organization_id is None else {"organizationId": self.organization_id}
        return {
            "id": self.id,
            **owner,
            "name": self.name,
            "description": self.description,
            "type": self.type,
            "policies": [policy.to_json() for policy in self.policies],
        }


@attrs.frozen
class StoredRoleRef:
    """A role as a key refers to it; no workspaces means all of them."""

    id: str
    type: RoleType
    workspaces: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the contract's RoleReference."""
        return {"id": self.id, "type": self.type, "workspaces": list(self.workspaces)}


@attrs.frozen
class StoredWorkspace:
    """A workspace of an organization."""

    id: str
    organization_id: str
    name: str

    def to_json(self) -> dict[str, object]:
        """Return the workspace as the list of workspaces has it."""
        return {"id": self.id, "organizationId": self.organization_id, "name": self.name}


@attrs.frozen
class KnownRoles:
    """The roles and workspaces that an organization has, each by its id."""

    roles: Mapping[str, StoredRole]
    workspaces: Mapping[str, StoredWorkspace]

    def find(self, refs: Iterable[StoredRoleRef]) -> tuple[StoredRole, ...]:
        """Return the roles that are referred to; one that is deleted is left out."""
        role_ids = dict.fromkeys(ref.id for ref in refs)
        return tuple(self.roles[role_id] for role_id in role_ids if role_id in self.roles)

    def refer(self, name: str, workspaces: tuple[str, ...] = ()) -> StoredRoleRef:
        """Return a reference to the role of a name."""
        role = next(role for role in self.roles.values() if role.name == name)
        return StoredRoleRef(role.id, role.type, workspaces)


@attrs.frozen
class _Plan:
    """A role in the making; `{org}` in a resource is the organization's path."""

    name: str
    description: str
    definitions: tuple[StoredDefinition, ...]


def _allow(action: Action, *resources: str) -> StoredDefinition:
    return StoredDefinition("allow", resources, (action,))


_MANAGED = (
    _Plan("Administrator", "Everything in the organization", (_allow("any", "/organizations/*"),)),
    _Plan("Viewer", "See everything, change nothing", (_allow("view", "/organizations/*"),)),
    _Plan("Billing", "See invoices and usage", (_allow("view", "/organizations/*/billing/*"),)),
)
_OWN = (
    _Plan(
        "Key manager",
        "Create, change and delete access keys; see roles and workspaces",
        (
            _allow("any", "{org}/access-keys", "{org}/access-keys/*"),
            _allow("view", "{org}/iam-roles", "{org}/workspaces"),
        ),
    ),
    _Plan("Key auditor", "See access keys", (_allow("view", "{org}/access-keys", "{org}/access-keys/*"),)),
    _Plan(
        "Key operator",
        "Create and change access keys, but delete none",
        (
            _allow("any", "{org}/access-keys", "{org}/access-keys/*"),
            StoredDefinition("deny", ("{org}/access-keys/*",), ("delete",)),
        ),
    ),
    _Plan(
        "Role manager",
        "Create, change and delete roles and their policies",
        (
            _allow(
                "any", "{org}/iam-roles", "{org}/iam-roles/*", "{org}/iam-policies", "{org}/iam-policies/*"
            ),
        ),
    ),
    _Plan("Message sender", "Send messages", (_allow("create", "{org}/workspaces/*/channels/*/messages"),)),
    _Plan("Message reader", "See messages", (_allow("view", "{org}/workspaces/*/channels/*/messages/*"),)),
    _Plan(
        "Contact editor",
        "Change contacts",
        (
            StoredDefinition("allow", ("{org}/workspaces/*/contacts/*",), ("view", "create", "update")),
            StoredDefinition("deny", ("{org}/workspaces/*/contacts/*",), ("delete",)),
        ),
    ),
    _Plan(
        "Webhook manager", "Manage webhooks", (_allow("any", "{org}/workspaces/*/webhook-subscriptions/*"),)
    ),
    _Plan("Report reader", "See reports", (_allow("view", "{org}/workspaces/*/reports/*"),)),
)


class Directory:
    """Tell the roles and workspaces of organizations, which follow from the seed and never change."""

    def __init__(self, seed: int) -> None:
        self._derive = Derivation(seed)
        self._managed = tuple(self._make_role(plan, None) for plan in _MANAGED)
        # Bounded: a fleet has thousands of organizations, and each is asked for many times in a row.
        self.known: Callable[[str], KnownRoles] = functools.lru_cache(256)(self._make)

    def deleted_role(self, organization_id: str) -> StoredRoleRef:
        """Return a reference to a role that the organization once had; a few seeded keys still hold it."""
        return StoredRoleRef(self._derive.identifier(f"deleted role {organization_id}"), "organization")

    def _make(self, organization_id: str) -> KnownRoles:
        own = (self._make_role(plan, organization_id) for plan in _OWN)
        ids = {name: self._derive.identifier(f"workspace {organization_id} {name}") for name in _WORKSPACES}
        return KnownRoles(
            {role.id: role for role in (*self._managed, *own)},
            {ids[name]: StoredWorkspace(ids[name], organization_id, name) for name in _WORKSPACES},
        )

    def _make_role(self, plan: _Plan, organization_id: str | None) -> StoredRole:
        kind: RoleType = "managed" if organization_id is None else "organization"
        owner = organization_id or "managed"
        definitions = tuple(
            attrs.evolve(
                definition,
                resources=tuple(
                    resource.format(org=f"/organizations/{organization_id}")
                    for resource in definition.resources
                ),
            )
            for definition in plan.definitions
        )
        policy = StoredPolicy(
            id=self._derive.identifier(f"policy {owner} {plan.name}"),
            name=plan.name,
            description=plan.description,
            type=kind,
            definitions=definitions,
        )
        return StoredRole(
            id=self._derive.identifier(f"role {owner} {plan.name}"),
            organization_id=organization_id,
            name=plan.name,
            description=plan.description,
            type=kind,
            policies=(policy,),
        )
