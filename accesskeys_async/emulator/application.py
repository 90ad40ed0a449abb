"""The way of one request: route, fault, authentication, rate limit, operation, reply."""

from __future__ import annotations

import asyncio
from email.utils import format_datetime
from importlib import resources

import attrs
from aiohttp import web

from .bodies import read_json_body
from .clock import Clock
from .control import CONTROL_PREFIX, Control
from .delivery import deliver
from .faults import Fault, Faults
from .journal import Journal, JournalEntry, without_secrets
from .limits import RateLimiter
from .operations import Asked, Operations
from .replies import Refusal, Reply, not_allowed
from .routes import Route, resolve
from .store import Bearer, Store

__all__ = ["Application"]

_DOCUMENT_PATH = "/openapi.json"
_NOWHERE = Route(None, (), None, None)


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
        control: Control | None,
    ) -> None:
        self._store = store
        self._operations = operations
        self._clock = clock
        self._faults = faults
        self._limiter = limiter
        self._journal = journal
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
        self._replies += 1
        return {
            "Date": format_datetime(self._clock.now(), usegmt=True),
            "x-request-id": f"{self._replies:016x}",
        }

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
            raise Refusal(404, "not_found", "Nothing is at this path")
        if route.operation is None:
            raise not_allowed(route.allowed)
        organization_id = self._authorize(request, route)
        verdict = self._limiter.take(organization_id, self._clock.now())
        if not verdict.allowed:
            raise Refusal(429, "rate_limited", "Too many requests; see Retry-After", headers=verdict.headers)
        asked = Asked(
            operation=route.operation,
            organization_id=organization_id,
            access_key_id=route.access_key_id,
            query=request.query,
            read_body=lambda: read_json_body(request),
        )
        try:
            reply = await self._operations.answer(asked)
        except Refusal as refusal:
            reply = refusal.reply
        return attrs.evolve(reply, headers={**reply.headers, **verdict.headers})

    def _authorize(self, request: web.BaseRequest, route: Route) -> str:
        """Return the organization that is asked about, once the asker is known to belong there."""
        bearer = self._find_bearer(request)
        if bearer is None:
            raise Refusal(
                401,
                "unauthorized",
                "The Authorization header is not 'AccessKey ' and the token of a living key",
                headers={"WWW-Authenticate": "AccessKey"},
            )
        self._store.note_use(bearer)
        organization_id = route.organization_id
        if organization_id == bearer.organization_id:
            return bearer.organization_id
        if organization_id is None or not self._store.has_organization(organization_id):
            raise Refusal(404, "not_found", "No such organization")
        raise Refusal(403, "forbidden", "The token belongs to another organization")

    def _find_bearer(self, request: web.BaseRequest) -> Bearer | None:
        match request.headers.getall("Authorization", []):
            case [header]:
                scheme, _, token = header.strip().partition(" ")
                known = scheme.lower() == "accesskey"
                return self._store.find_bearer(token.strip()) if known else None
            case _:
                return None
