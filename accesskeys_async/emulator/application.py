"""The way of one request: host, route, fault, authentication, rate limit, roles, operation, reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from email.utils import format_datetime
from importlib import resources
from typing import Final

import attrs
from aiohttp import web

from .authorization import AccessControl, is_allowed
from .bodies import read_json_body
from .clock import Clock
from .control import CONTROL_PREFIX, Control
from .delivery import deliver, is_cut
from .faults import Fault, Faults
from .hosts import HostCheck
from .journal import Journal, JournalEntry, without_secrets
from .limits import RateLimiter
from .operations import Asked, Operations
from .replies import Refusal, Reply, error_reply, not_allowed
from .roles import Action
from .routes import Operation, Route, resolve
from .store import Bearer, Store

_DOCUMENT_PATH = "/openapi.json"
_NOWHERE = Route(None, (), None, None)
_REQUEST_ID: Final = "messagebird-request-id"
_LOGGER = logging.getLogger("accesskeys_async.emulator")
_ACTIONS: Mapping[Operation, Action] = {
    "list": "view",
    "create": "create",
    "get": "view",
    "update": "update",
    "delete": "delete",
    "list_roles": "view",
    "list_workspaces": "view",
}


class Application:
    """Answer HTTP requests; runs on one event loop, which is the only thread to call it."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        *,
        clock: Clock,
        faults: Faults,
        limiter: RateLimiter,
        journal: Journal,
        access: AccessControl,
        hosts: HostCheck,
        control: Control | None,
    ) -> None:
        self._store = store
        self._operations = operations
        self._clock = clock
        self._faults = faults
        self._limiter = limiter
        self._journal = journal
        self._access = access
        self._hosts = hosts
        self._control = control
        self._active: set[asyncio.Task[object]] = set()
        self._replies = 0

    def abandon_requests(self) -> None:
        """Drop the connections whose requests are not answered yet, before they have any more effect."""
        for task in tuple(self._active):
            task.cancel()

    def reset(self) -> None:
        """Abandon requests and count replies from the beginning."""
        self.abandon_requests()
        self._replies = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to a request, whatever it is."""
        path = request.rel_url.raw_path
        response = await self._respond(request, path)
        if _LOGGER.isEnabledFor(logging.DEBUG):
            target = request.rel_url.raw_path_qs.encode("ascii", "backslashreplace").decode()
            status = "no whole response, by a fault" if is_cut(response) else response.status
            _LOGGER.debug("%s %s: %s", request.method, target, status)
        return response

    def render(self, reply: Reply) -> web.Response:
        """Return the response to what is not an HTTP request, or to one that failed in here."""
        headers = {"Content-Type": "application/json", _REQUEST_ID: self._number()}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    async def _respond(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if not self._hosts.accepts(request.headers.getall("Host", [])):
            return deliver(_MISDIRECTED, None, self._headers())
        if path == _DOCUMENT_PATH or (path.startswith(CONTROL_PREFIX) and self._control):
            return deliver(await self._aside(request, path), None, self._headers())
        task = asyncio.current_task()
        assert task is not None  # aiohttp runs each request in one
        self._active.add(task)
        task.add_done_callback(self._active.discard)
        route = resolve(request.method, path) or _NOWHERE
        line = self._journal.open(
            JournalEntry(
                at=self._clock.now(),
                method=request.method,
                path=path,
                query=request.query_string,
                operation=route.operation,
                organization_id=route.organization_id,
                headers=without_secrets(request.headers.items()),
            )
        )
        fault = self._take_fault(route)
        reply = await self._reply(request, route, fault)
        response = deliver(reply, fault, self._headers())
        if fault is None or not fault.cuts:
            self._journal.close(line, response.status)
        return response

    def _headers(self) -> dict[str, str]:
        return {"Date": format_datetime(self._clock.now(), usegmt=True), _REQUEST_ID: self._number()}

    def _number(self) -> str:
        self._replies += 1
        return f"{self._replies:016x}"

    async def _aside(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer what is not part of the API: neither faults nor the journal know of it."""
        try:
            if path != _DOCUMENT_PATH:
                assert self._control is not None
                return await self._control.answer(request)
            if request.method != "GET":
                raise not_allowed(("GET",))
            return Reply(
                200, resources.files("accesskeys_async.emulator").joinpath("openapi.json").read_bytes()
            )
        except Refusal as refusal:
            return refusal.reply

    def _take_fault(self, route: Route) -> Fault | None:
        if route.operation is None:
            return None
        return self._faults.take(route.operation, route.organization_id)

    async def _reply(self, request: web.BaseRequest, route: Route, fault: Fault | None) -> Reply | None:
        match fault.kind if fault else None:
            case "reset_before":
                return None
            case "status" if fault is not None:
                return fault.reply
            case "delay" if fault is not None:
                await asyncio.sleep(fault.seconds)
            case _:
                pass
        try:
            return await self._perform(request, route)
        except Refusal as refusal:
            return refusal.reply

    async def _perform(self, request: web.BaseRequest, route: Route) -> Reply:
        if not route.allowed:
            raise Refusal(404, "ResourceNotFound", "Nothing is at this path")
        if route.operation is None:
            raise not_allowed(route.allowed)
        bearer = self._authenticate(request, route)
        organization_id = bearer.organization_id
        verdict = self._limiter.take(organization_id, self._clock.now())
        if not verdict.allowed:
            raise Refusal(429, "TooManyRequests", "The rate limit was exceeded", headers=verdict.headers)
        asked = Asked(
            operation=route.operation,
            organization_id=organization_id,
            access_key_id=route.access_key_id,
            query=request.query,
            read_body=lambda: read_json_body(request),
        )
        try:
            self._check_roles(bearer, asked)
            reply = await self._operations.answer(asked)
        except Refusal as refusal:
            reply = refusal.reply
        return attrs.evolve(reply, headers={**reply.headers, **verdict.headers})

    def _authenticate(self, request: web.BaseRequest, route: Route) -> Bearer:
        """Return the key that asks, once it is known to belong to the organization that it asks about."""
        bearer = self._find_bearer(request)
        self._store.note_use(bearer)
        organization_id = route.organization_id
        if organization_id == bearer.organization_id:
            return bearer
        if organization_id is None or not self._store.has_organization(organization_id):
            raise Refusal(404, "ResourceNotFound", "The organization does not exist")
        raise Refusal(403, "Forbidden", "The token belongs to another organization")

    def _find_bearer(self, request: web.BaseRequest) -> Bearer:
        headers = request.headers.getall("Authorization", [])
        if len(headers) != 1:
            sent = "no Authorization header" if not headers else f"{len(headers)} Authorization headers"
            raise _unauthorized(f"The request has {sent}; send one: 'AccessKey ' followed by the token")
        scheme, _, token = headers[0].strip().partition(" ")
        if scheme.lower() != "accesskey":
            raise _unauthorized("The Authorization header does not begin with 'AccessKey '")
        bearer = self._store.find_bearer(token.strip())
        if bearer is None:
            raise _unauthorized("The token is wrong, or its access key was deleted")
        return bearer

    def _check_roles(self, bearer: Bearer, asked: Asked) -> None:
        if not self._access.enforced:
            return
        action, path = _ACTIONS[asked.operation], asked.path
        definitions = [definition for role in self._store.roles_of(bearer) for definition in role.definitions]
        if not is_allowed(definitions, action, path):
            raise Refusal(403, "Forbidden", f"The roles of the access key do not allow {action} on {path}")


def _unauthorized(message: str) -> Refusal:
    return Refusal(401, "Unauthorized", message, headers={"WWW-Authenticate": "AccessKey"})


_MISDIRECTED = error_reply(
    421, "MisdirectedRequest", "The Host header is not a name of the emulator; use its base URL"
)
