"""The records that the library hands out: frozen, slotted, and silent about secrets."""

from __future__ import annotations

import enum
import hmac
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, NoReturn, TypeAlias, final
from uuid import UUID

from attrs import field, frozen

__all__ = [
    "UNSET",
    "AccessKey",
    "AccessKeyPage",
    "Attempt",
    "CreatedAccessKey",
    "Grant",
    "Policy",
    "PolicyDefinition",
    "Role",
    "RoleRef",
    "Token",
    "Unset",
]

SUFFIX_LENGTH: Final = 6


class Unset(enum.Enum):
    """Tell "was not there" from null; its one member is `UNSET`, which is false."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Stands for a field that was not in the answer, or an argument that was not given."""


@final
class Token:
    """Hold an access key's token and show no more of it than its last six characters.

    `repr`, `str`, `format`, logs, tracebacks, `attrs.asdict` and pickles show `Token(…AbCdEf)`; `reveal`
    is the only way to the text. Two tokens compare in constant time. A token that went through a pickle
    comes back without its text: `reveal` raises ValueError then.
    """

    __slots__ = ("_text", "suffix")

    _text: str | None
    suffix: str
    """The last six characters, as the API's `suffix`; empty where the text is too short to spare them."""

    def __init__(self, text: str) -> None:
        self._text, self.suffix = None, ""  # a traceback shows even a token that is refused below
        if not isinstance(text, str):
            raise TypeError(f"a token is made from str, not {type(text).__name__}")
        self._text = text
        self.suffix = text[-SUFFIX_LENGTH:] if len(text) >= 2 * SUFFIX_LENGTH else ""

    def reveal(self) -> str:
        """Return the token's text. Raises ValueError after a pickle, which does not carry it."""
        if self._text is None:
            raise ValueError(f"{self!r} went through a pickle, which does not carry a token's text")
        return self._text

    def __repr__(self) -> str:
        return f"Token(…{self.suffix})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        if self._text is None or other._text is None:
            return self is other
        return hmac.compare_digest(
            self._text.encode(errors="surrogatepass"), other._text.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Token, self._text))

    def __copy__(self) -> Token:
        return self

    def __deepcopy__(self, memo: object) -> Token:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return Token._masked, (self.suffix,)

    def __setstate__(self, state: object) -> NoReturn:
        raise TypeError("a token takes no state")

    @classmethod
    def _masked(cls, suffix: str) -> Token:
        token = cls("")
        token._text = None
        token.suffix = suffix
        return token


Grant: TypeAlias = tuple[UUID, frozenset[UUID]]
"""A role, and the workspaces that it is granted in; none stand for all."""


@frozen
class RoleRef:
    """A reference to a role that a key has (`RoleReference` in the contract).

    A field that was not in the response is `UNSET`; one that was null is None.
    """

    id: UUID
    """The IAM role."""
    type: str | Unset | None = UNSET
    """`organization` or `managed`; any other string is kept as it is."""
    workspaces: tuple[UUID, ...] | Unset | None = UNSET
    """The workspaces that the role is granted in; UNSET, None or empty: all (an assumption of the contract).

    Always UNSET if the reference was derived from `AccessKey.roles`, which do not tell workspaces.
    """

    @property
    def grant(self) -> Grant:
        """The role and the set of its workspaces, empty for all: equal ones grant the same."""
        return self.id, frozenset(self.workspaces or ())


@frozen
class PolicyDefinition:
    """One statement of a policy (`PolicyDefinition` in the contract)."""

    effect: str | Unset | None = UNSET
    """`allow` or `deny`."""
    resources: tuple[str, ...] | Unset | None = UNSET
    """Paths, such as `/organizations/{id}/access-keys/*`."""
    actions: tuple[str, ...] | Unset | None = UNSET
    """`view`, `create`, `update`, `delete` or `any`."""
    conditions_all: tuple[object, ...] | Unset | None = field(default=UNSET, hash=False)
    """Conditions that must all hold, as plain JSON values; the contract leaves their form open."""


@frozen
class Policy:
    """One policy of a role (`Policy` in the contract)."""

    id: UUID
    name: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    definitions: tuple[PolicyDefinition, ...] | Unset | None = UNSET
    scope: str | Unset | None = UNSET
    type: str | Unset | None = UNSET
    """`organization` or `managed`; any other string is kept as it is."""


@frozen
class Role:
    """One role, whole, as `get` tells it (`Role` in the contract)."""

    id: UUID
    organization_id: UUID | Unset | None = UNSET
    name: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    type: str | Unset | None = UNSET
    """`organization` or `managed`; any other string is kept as it is."""
    policies: tuple[Policy, ...] | Unset | None = UNSET


@frozen
class AccessKey:
    """One access key, as the API tells it (`AccessKey` in the contract).

    A field that was not in the response is `UNSET`; one that was null is None. Times are aware, in UTC.
    """

    id: UUID
    organization_id: UUID
    name: str
    suffix: str
    """The last six characters of the key's token."""
    created_at: datetime
    type: str | Unset | None = UNSET
    """Any string: the contract calls it an enumeration and leaves its values open."""
    description: str | Unset | None = UNSET
    last_used_at: datetime | Unset | None = UNSET
    """None: never used. UNSET: the response did not say."""
    updated_at: datetime | Unset | None = UNSET
    role_ids: tuple[str, ...] | Unset | None = UNSET
    """Deprecated by the API, which replaces it by `role_refs`."""
    role_refs: tuple[RoleRef, ...] | Unset | None = UNSET
    """The roles that the key has; a key without any is denied everything.

    From `get`, which tells whole `roles` instead, the references are derived from these. Equal references of
    one service share one object.
    """
    roles: tuple[Role, ...] | Unset | None = UNSET
    """The key's roles with their policies; told by `get` alone."""


@frozen
class CreatedAccessKey(AccessKey):
    """An access key just created, with the token that the API shows this once."""

    token: Token = field(kw_only=True)


@frozen
class AccessKeyPage:
    """One page of a listing: up to 100 keys and the token of the next page."""

    results: tuple[AccessKey, ...]
    next_page_token: str | None = None
    """None on the last page."""

    def __iter__(self) -> Iterator[AccessKey]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)


@frozen
class Attempt:
    """One attempt of a call: when it began, what came of it, how long the wait after it was."""

    number: int
    """1 for the first."""
    started_at: datetime
    elapsed: float
    """Seconds from the attempt's beginning to its outcome."""
    status: int | None
    """The HTTP status, or None where no whole answer came."""
    error: str | None
    """The error in one line, or None where an answer came."""
    effect_unknown: bool
    """Whether the request may have taken effect though no success was reported."""
    wait: float
    """Seconds waited before the next attempt; 0.0 for the last."""
