"""The control API, for tests in other processes; JSON, for `Authorization: Bearer` and the control token.

    /_emulator/faults      GET, DELETE; POST {"kind": "status", "status": 503, "operation": "list"}
    /_emulator/rate-limit  GET, DELETE; PUT {"requestsPerSecond": 50, "burst": 100, "retryAfter": true}
    /_emulator/roles       GET ?organization=ID: its roles and workspaces
    /_emulator/authorization  GET; PUT {"enforced": true}
    /_emulator/journal     GET, DELETE
    /_emulator/reset       POST

A fault takes what its class method in Python takes, in camelCase: kind, operation, organization, times;
body, retryAfter and headers for a status, seconds for a delay, seconds and chunk for a drip.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping

import attrs
import msgspec
from aiohttp import web

from .authorization import AccessControl
from .bodies import read_json_body
from .clock import timestamp
from .faults import Fault, FaultKind, Faults
from .journal import Journal, JournalEntry
from .limits import RateLimit, RateLimiter
from .replies import Refusal, Reply, not_allowed
from .roles import KnownRoles
from .routes import Operation

CONTROL_PREFIX = "/_emulator/"

_Action = Callable[[web.BaseRequest], Awaitable[Reply]]


class _FaultBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    kind: FaultKind
    operation: Operation | None = None
    organization: str | None = None
    times: int = 1
    status: int = 500
    body: str | dict[str, object] | None = None
    retry_after: float | str | None = None
    headers: dict[str, str] = {}
    seconds: float = 0.0
    chunk: int = 1

    def to_fault(self) -> Fault:
        """Raises ValueError where a bound is broken."""
        fault = Fault(kind=self.kind, seconds=self.seconds, chunk=self.chunk)
        if self.kind == "status":
            retry_after = self.retry_after
            if isinstance(retry_after, float) and retry_after.is_integer():
                retry_after = int(retry_after)  # JSON does not tell 3 from 3.0, and HTTP takes only 3
            fault = Fault.status(self.status, body=self.body, retry_after=retry_after, headers=self.headers)
        return attrs.evolve(fault, operation=self.operation, organization=self.organization, times=self.times)


class _LimitBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    requests_per_second: float
    burst: int | None = None
    retry_after: bool = False
    rate_limit_headers: bool = False

    def to_limit(self) -> RateLimit:
        """Raises ValueError where a bound is broken."""
        limit = RateLimit(
            self.requests_per_second,
            retry_after=self.retry_after,
            rate_limit_headers=self.rate_limit_headers,
        )
        return limit if self.burst is None else attrs.evolve(limit, burst=self.burst)


class _AuthorizationBody(msgspec.Struct, forbid_unknown_fields=True):
    enforced: bool


class Control:
    """Answer requests under /_emulator/ that carry `Authorization: Bearer` and the control token."""

    def __init__(
        self,
        token: str,
        *,
        faults: Faults,
        limiter: RateLimiter,
        journal: Journal,
        access: AccessControl,
        known_roles: Callable[[str], KnownRoles | None],
        reset: Callable[[], None],
    ) -> None:
        self._token = token
        self._faults = faults
        self._limiter = limiter
        self._journal = journal
        self._access = access
        self._known_roles = known_roles
        self._actions: Mapping[str, Mapping[str, _Action]] = {
            "faults": {
                "GET": self._show_faults,
                "POST": self._add_fault,
                "DELETE": _doing(faults.clear),
            },
            "rate-limit": {
                "GET": self._show_limit,
                "PUT": self._set_limit,
                "DELETE": _doing(limiter.reset),
            },
            "journal": {"GET": self._show_journal, "DELETE": _doing(journal.clear)},
            "roles": {"GET": self._show_roles},
            "authorization": {"GET": self._show_authorization, "PUT": self._set_authorization},
            "reset": {"POST": _doing(reset)},
        }

    async def answer(self, request: web.BaseRequest) -> Reply:
        """Return the reply to a request under /_emulator/.

        Raises:
            Refusal: 401, 404, 405, or what a body is refused with.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self._token.encode())
        if scheme.lower() != "bearer" or not known:
            raise Refusal(
                401,
                "Unauthorized",
                "The control token is missing or wrong; send 'Authorization: Bearer ' followed by it",
                headers={"WWW-Authenticate": "Bearer"},
            )
        actions = self._actions.get(request.rel_url.raw_path.removeprefix(CONTROL_PREFIX), {})
        if not actions:
            raise Refusal(
                404, "ResourceNotFound", f"Under {CONTROL_PREFIX} there are {', '.join(self._actions)}"
            )
        action = actions.get(request.method)
        if action is None:
            raise not_allowed(actions)
        return await action(request)

    async def _show_faults(self, _: web.BaseRequest) -> Reply:
        return _json({"pending": [_describe(fault) for fault in self._faults.pending]})

    async def _add_fault(self, request: web.BaseRequest) -> Reply:
        try:
            fault = msgspec.json.decode(await read_json_body(request), type=_FaultBody).to_fault()
        except ValueError as error:
            raise _invalid(error) from None
        self._faults.add(fault)
        return _json(_describe(fault), status=201)

    async def _show_limit(self, _: web.BaseRequest) -> Reply:
        limit = self._limiter.limit
        if limit is None:
            return _json({"requestsPerSecond": None, "burst": None})
        return _json(
            {
                "requestsPerSecond": limit.requests_per_second,
                "burst": limit.burst,
                "retryAfter": limit.retry_after,
                "rateLimitHeaders": limit.rate_limit_headers,
            }
        )

    async def _set_limit(self, request: web.BaseRequest) -> Reply:
        try:
            limit = msgspec.json.decode(await read_json_body(request), type=_LimitBody).to_limit()
        except ValueError as error:
            raise _invalid(error) from None
        self._limiter.limit = limit
        return await self._show_limit(request)

    async def _show_roles(self, request: web.BaseRequest) -> Reply:
        organization_id = request.query.get("organization", "")
        known = self._known_roles(organization_id)
        if known is None:
            raise Refusal(
                404, "ResourceNotFound", "The organization does not exist; name one: ?organization=ID"
            )
        return _json(
            {
                "roles": [role.to_json() for role in known.roles.values()],
                "workspaces": [workspace.to_json() for workspace in known.workspaces.values()],
            }
        )

    async def _show_authorization(self, _: web.BaseRequest) -> Reply:
        return _json({"enforced": self._access.enforced})

    async def _set_authorization(self, request: web.BaseRequest) -> Reply:
        try:
            body = msgspec.json.decode(await read_json_body(request), type=_AuthorizationBody)
        except ValueError as error:
            raise _invalid(error) from None
        self._access.enforced = body.enforced
        return await self._show_authorization(request)

    async def _show_journal(self, _: web.BaseRequest) -> Reply:
        return _json({"entries": [_entry(entry) for entry in self._journal]})


def _doing(act: Callable[[], None]) -> _Action:
    async def action(_: web.BaseRequest) -> Reply:
        act()
        return Reply(204)

    return action


def _json(content: Mapping[str, object], *, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(content))


def _invalid(error: ValueError) -> Refusal:
    # msgspec's errors are ValueErrors that say where; JSON that does not parse is one of them.
    status, code = (
        (422, "InvalidPayload")
        if isinstance(error, msgspec.ValidationError) or not isinstance(error, msgspec.MsgspecError)
        else (400, "MalformedBody")
    )
    return Refusal(status, code, str(error))


def _describe(fault: Fault) -> dict[str, object]:
    described: dict[str, object] = {
        "kind": fault.kind,
        "operation": fault.operation,
        "organization": fault.organization,
        "times": fault.times,
    }
    if fault.reply is not None:
        described["status"] = fault.reply.status
    if fault.kind in {"delay", "drip"}:
        described["seconds"] = fault.seconds
    return described


def _entry(entry: JournalEntry) -> dict[str, object]:
    return {
        "at": timestamp(entry.at),
        "method": entry.method,
        "path": entry.path,
        "query": entry.query,
        "operation": entry.operation,
        "organizationId": entry.organization_id,
        "status": entry.status,
        "headers": dict(entry.headers),
    }
