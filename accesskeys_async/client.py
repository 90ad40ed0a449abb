"""The client: the five operations, put together from the floors below."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Unpack

from aiohttp import ClientSession
from attrs import evolve

from accesskeys_async._client.bulk import FanOut
from accesskeys_async._client.key_pages import KeyPages
from accesskeys_async._client.options import (
    ClientOptions,
    Options,
    Shared,
    TokenLike,
    check_changes,
    check_retry,
    check_throttle,
    check_timeout,
    check_whole,
    find_base_url,
    find_token,
    take_callables,
)
from accesskeys_async._client.raw import RawOperations
from accesskeys_async._client.recoverable_create import Creation, Draft, reap
from accesskeys_async._contract import arguments, requests, responses
from accesskeys_async._contract.arguments import Id, RoleIds, RoleRefs
from accesskeys_async._http.hooks import Hook, make_notify, observe
from accesskeys_async._http.messages import Middleware, Next, compose
from accesskeys_async._http.pool import Pool
from accesskeys_async._http.retry import Retry, RetryBudget, RetryPolicy
from accesskeys_async._http.session import Session
from accesskeys_async._http.settings import (
    Timeout,
    hide_token,
    read_base_url,
    read_proxy,
    read_ssl,
    read_token,
)
from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.pages import MAX_EMPTY_PAGES, FetchPage
from accesskeys_async._listing.scan import Scan
from accesskeys_async._resources import AsyncResource
from accesskeys_async._throttle.adaptive import Adaptive
from accesskeys_async._throttle.concurrency import ConcurrencyLimit
from accesskeys_async._throttle.throttle import Throttle, Throttled, make_prioritize
from accesskeys_async.errors import InvalidRequestError
from accesskeys_async.records import UNSET, AccessKey, CreatedAccessKey, Unset

__all__ = ["AccessKeysClient", "ClientOptions"]


class AccessKeysClient(AsyncResource, FanOut):
    """Read and change the access keys of organizations.

    Use it as `async with AccessKeysClient() as client:`, or call `aclose` when done. Its aiohttp session is
    made at the first call, and belongs to that call's event loop and process.

    Args:
        token: A key's token, or an async callable that gives one before each attempt; None takes the
            environment's ACCESSKEYS_TOKEN.
        base_url: https, or http to a loopback address; None takes ACCESSKEYS_BASE_URL, else
            https://api.bird.com.
        session: An `aiohttp.ClientSession` to borrow. It is never closed, and its timeouts, middlewares and
            `raise_for_status` do not apply to calls made here.
        timeout: Bounds of one attempt, in seconds.
        deadline: Seconds for one call, all its attempts and waits together; None for no bound. In a
            listing, each page is one call. A middleware's own waits are not counted: `request.deadline`
            tells it when the call must be over.
        retry: How often and how patiently to try again.
        max_concurrency: How many requests may be under way at once, clones included.
        throttle: Decides when a request may go; share one among as many clients as you like. None: an
            `Adaptive` of its own, which learns quotas on the way.
        priority: Where calls wait for a place or a quota that they share, a higher one goes first.
        max_response_bytes: The bound of an answer's body, after decompression.
        max_empty_pages: How many pages of a listing may bring no new key in a row; then PaginationError.
        middlewares: Async callables `(request, call_next) -> response`, outermost first, run once a call.
        hooks: Plain callables that are told of each call, attempt, wait and outcome.
        ssl: A path of a CA bundle, or an `ssl.SSLContext`; None verifies by the system's authorities.
        trust_env: Whether a proxy is taken from the environment: HTTPS_PROXY and NO_PROXY, which takes names,
            domains, addresses and networks. Loopback addresses never go through it.
        proxy: The URL of an http proxy, `http://user:password@host:port`; the environment's is ignored then.

    Raises:
        ConfigurationError: No token, http to a foreign host, or a setting that makes no sense.
    """

    def __init__(
        self,
        token: TokenLike | None = None,
        *,
        base_url: str | None = None,
        session: ClientSession | None = None,
        timeout: Timeout | None = None,
        deadline: float | None = 60.0,
        retry: RetryPolicy | None = None,
        max_concurrency: int = 64,
        throttle: Throttle | None = None,
        priority: int = 0,
        max_response_bytes: int = 4 * 2**20,
        max_empty_pages: int = MAX_EMPTY_PAGES,
        middlewares: Iterable[Middleware] = (),
        hooks: Iterable[Hook] = (),
        ssl: ssl.SSLContext | str | os.PathLike[str] | None = None,
        trust_env: bool = False,
        proxy: str | None = None,
    ) -> None:
        token = hide_token(token)  # from here on no frame of ours, which a traceback may show, has its text
        retry = RetryPolicy() if retry is None else check_retry(retry)
        options = Options(
            token=read_token(find_token() if token is None else token),
            base_url=find_base_url() if base_url is None else base_url,
            timeout=Timeout() if timeout is None else check_timeout(timeout),
            deadline=deadline,
            retry=retry,
            throttle=Adaptive(longest=retry.max_retry_after)
            if throttle is None
            else check_throttle(throttle),
            priority=check_whole("priority", priority),
            max_response_bytes=max_response_bytes,
            max_empty_pages=max_empty_pages,
            middlewares=take_callables("middlewares", middlewares),
            hooks=take_callables("hooks", hooks),
        )
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - the documented way to the caller
        pool = Pool(
            borrowed=session,
            size=max_concurrency,
            ssl_context=read_ssl(ssl),
            trust_env=trust_env,
            proxy=None if proxy is None else read_proxy(proxy),
            created_at=f"{frame.f_code.co_filename}:{frame.f_lineno}",
        )
        shared = Shared(
            pool,
            ConcurrencyLimit(check_whole("max_concurrency", max_concurrency)),
            retry.budget or RetryBudget(),
        )
        self._set_up(options, shared, is_clone=False)

    def _set_up(self, options: Options, shared: Shared, *, is_clone: bool) -> None:
        self._options = options
        self._shared = shared
        self._is_clone = is_clone
        self._deadline = options.deadline
        self._session = session = Session(
            shared.pool,
            base_url=read_base_url(options.base_url),
            token=options.token,
            timeout=options.timeout,
            max_response_bytes=options.max_response_bytes,
        )
        notify = make_notify(options.hooks)
        retry = Retry(options.retry, options.retry.budget or shared.budget, notify=notify)
        throttled = Throttled(shared.limit, options.throttle)
        # Outermost, and only where there is one: a copy of each request costs more than a comparison.
        prioritize = (make_prioritize(options.priority),) if options.priority else ()
        self._send: Next = compose((*prioritize, *options.middlewares, retry, throttled), session.send)
        if notify is not None:
            self._send = observe(notify, self._send)
        self.raw = RawOperations(self._send, self._latest)

    def with_options(self, **changes: Unpack[ClientOptions]) -> AccessKeysClient:
        """Return a client with other options that shares this one's pool, budget and throttle.

        It needs no closing of its own, and ends with the client that it was made from. Takes `token`,
        `base_url`, `timeout`, `deadline`, `retry`, `throttle`, `priority`, `max_response_bytes`,
        `max_empty_pages`, `middlewares` and `hooks`. Raises ConfigurationError as the class does.
        """
        if "token" in changes:
            changes["token"] = hide_token(changes["token"])
            changes["token"] = read_token(changes["token"])
        changed = evolve(self._options, **check_changes(changes))
        clone = AccessKeysClient.__new__(AccessKeysClient)
        clone._set_up(changed, self._shared, is_clone=True)
        return clone

    async def aclose(self) -> None:
        """Close the connections. Twice is fine; a borrowed session stays open; a clone closes nothing."""
        if not self._is_clone:
            await self._shared.pool.close()

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """The hooks of this client, to extend them in `with_options`."""
        return self._options.hooks

    async def token_suffix(self) -> str:
        """Return the last six characters of the token in use, as `AccessKey.suffix` has them.

        Returns:
            The suffix; empty if the token is too short to show a part of it.

        Raises:
            ConfigurationError: The token, or what its callable returned, is invalid.
        """
        return await self._session.own_suffix()

    @property
    def max_concurrency(self) -> int:
        """How many requests may be under way at once, clones included."""
        return self._shared.limit.limit

    def __repr__(self) -> str:
        if not hasattr(self, "_shared"):  # a traceback with locals shows even one that was refused
            return "<AccessKeysClient not made>"
        state = "closed" if self._shared.pool.closed else "open"
        return f"<AccessKeysClient {self._options.base_url} {state}>"

    def list(
        self,
        org: Id,
        *,
        limit: int = arguments.MAX_PAGE_SIZE,
        reverse: bool = False,
        page_token: str | None = None,
        prefetch: int = 1,
    ) -> Listing:
        """List an organization's keys (`listAccessKeys`).

        Nothing is sent until the listing is iterated. `limit` is the page size, 1 to 100. `prefetch` is how
        many pages are fetched while the caller works, 0 for none.

        Raises InvalidRequestError at once; iterating raises what `get` does, and PaginationError.
        """
        arguments.check_list(limit=limit, page_token=page_token, prefetch=prefetch)
        fetch = self.page_source(arguments.read_id("org", org), limit=limit, reverse=reverse)
        return Listing(fetch, page_token=page_token, prefetch=prefetch)

    def scan(self, org: Id, *, limit: int = arguments.MAX_PAGE_SIZE) -> Scan:
        """Read an organization's keys from both ends at a time, in half a listing's time and in no order.

        Every key that is there throughout comes exactly once. `limit` is the page size, 1 to 100; see `Scan`.

        Raises InvalidRequestError at once; iterating raises what `get` does, and PaginationError.
        """
        arguments.check_list(limit=limit, page_token=None)
        organization_id = arguments.read_id("org", org)
        return Scan(
            self.page_source(organization_id, limit=limit),
            self.page_source(organization_id, limit=limit, reverse=True),
        )

    def page_source(
        self, org: Id, *, limit: int = arguments.MAX_PAGE_SIZE, reverse: bool = False
    ) -> FetchPage:
        """Return an async callable that fetches one page of an organization's keys (`listAccessKeys`).

        It is for callers with a pagination of their own; `list` and `scan` guard against loops and prefetch.

        Args:
            org: The organization's id. It is checked when a page is fetched.
            limit: The page size, 1 to 100.
            reverse: Whether the order is reversed.

        Returns:
            A callable that takes a page token, or None for the first page, and returns an `AccessKeyPage`. It
            raises what `get` does.

        Example:
            ```python
            fetch = client.page_source(org)
            first = await fetch(None)
            second = await fetch(first.next_page_token) if first.next_page_token else None
            ```
        """
        return KeyPages(
            self._send,
            org,
            limit=limit,
            reverse=reverse,
            new_deadline=self._latest,
            max_empty_pages=self._options.max_empty_pages,
        )

    async def get(self, org: Id, key_id: Id) -> AccessKey:
        """Read one key (`getAccessKey`).

        Raises InvalidRequestError before sending; APIStatusError where the API refuses; APIConnectionError
        where no whole answer came; DeadlineExceededError; APIResponseError where the answer is out of
        contract; ClientClosedError.
        """
        asked = arguments.read_id("key_id", key_id)
        request = requests.build_get(arguments.read_id("org", org), key_id, deadline=self._latest())
        return responses.read_key(request, await self._send(request), key_id=asked)

    async def create(
        self,
        org: Id,
        *,
        name: str,
        description: str,
        role_refs: RoleRefs = UNSET,
        role_ids: RoleIds = UNSET,
        recover: bool = False,
        settle: float = 3.0,
    ) -> CreatedAccessKey:
        """Create a key (`createAccessKey`); its token is in the response, and never shown again.

        `name` and `description` are 1 to 256 characters. `role_refs` are the roles that the key is to have,
        1 to 5 of them: each a `RoleRef`, a role's id, or a mapping with `id` and, if wanted, `workspaces`.
        The service denies by default: a key without roles can do nothing. `role_ids` is deprecated by the
        API.

        A create whose response was lost is never sent again as it is: CreateOutcomeUnknownError is raised,
        and a key may exist whose token nobody has; the error's `candidates` are those it may be. A response
        that can't be read raises APIResponseError; its `key_id` is the created key's if the response has it.

        With `recover` the call is brought to a known end within the deadline. A marker, ` [ak:` and 16
        characters and `]`, stands at the end of the description until the call is over (so it takes 22
        characters less). After a response is lost, the organization is listed until the marked key is found,
        or `settle` seconds have passed; it is deleted, and the create is sent again, up to the retry policy's
        `max_retries` times. After a response that names the key and can't be read, the key is deleted and the
        error raised. The promise: when it returns, exactly one key of this call exists and its token is in
        hand; when it raises, none exists, or the error is a CreateOutcomeUnknownError with the `nonce` for
        `reap`. It holds if the API lists what it has created within `settle` seconds. If all is done but the
        marker can't be removed, the key is returned with the marker still in its description, and a warning
        is logged.

        Raises what `get` does, and CreateOutcomeUnknownError.
        """
        arguments.warn_of_role_ids(role_ids, stacklevel=2)
        draft = Draft(
            arguments.read_id("org", org),
            name,
            description,
            arguments.read_role_refs(role_refs),
            arguments.read_role_ids(role_ids),
        )
        return await self._create(draft, recover=recover, settle=settle)

    async def _create(self, draft: Draft, *, recover: bool, settle: float) -> CreatedAccessKey:
        creation = Creation(self._send, draft, deadline=self._latest())
        if not recover:
            return await creation.run_once()
        rounds = 1 + self._options.retry.max_retries
        return await creation.run_to_a_known_end(settle=settle, rounds=rounds)

    async def reap(
        self,
        org: Id,
        nonce: str | None = None,
        *,
        older_than: timedelta | None = None,
        dry_run: bool = False,
    ) -> tuple[AccessKey, ...]:
        """Delete what recoverable creates left behind, and return it.

        A key goes only if its description ends with a mark (this `nonce`'s, where one is given), if it was
        never used, and if it is older than `older_than`, where given, by the API's clock. Never by name.
        Without a nonce, `older_than` must be longer than any create may still be under way, such as an hour.
        With `dry_run` nothing is deleted: what would be is returned.

        Raises InvalidRequestError where neither is given, and what `get` does.
        """
        organization_id = arguments.read_id("org", org)
        if nonce is None and (older_than is None or older_than <= timedelta(0)):
            raise InvalidRequestError("reap", "would take creates under way; give a nonce, or older_than")
        return await reap(
            self._send,
            organization_id,
            nonce=nonce,
            older_than=older_than,
            dry_run=dry_run,
            deadline=self._latest(),
        )

    async def update(
        self,
        org: Id,
        key_id: Id,
        *,
        name: str | Unset = UNSET,
        description: str | Unset = UNSET,
        role_refs: RoleRefs = UNSET,
        role_ids: RoleIds = UNSET,
    ) -> AccessKey:
        """Change a key's properties (`updateAccessKey`); what is left UNSET stays as it is.

        `role_refs` replaces all of the key's roles. Bounds are those of `create`. Raises what `get` does;
        InvalidRequestError also if nothing is named.
        """
        arguments.warn_of_role_ids(role_ids, stacklevel=2)
        requested = arguments.read_id("key_id", key_id)
        request = requests.build_update(
            arguments.read_id("org", org),
            requested,
            name=name,
            description=description,
            role_refs=role_refs,
            role_ids=role_ids,
            deadline=self._latest(),
        )
        return responses.read_key(request, await self._send(request), key_id=requested)

    async def delete(
        self,
        org: Id,
        key_id: Id,
        *,
        missing_ok: bool = False,
        expect_suffix: str | None = None,
        allow_self: bool = False,
    ) -> None:
        """Delete a key for good (`deleteAccessKey`).

        The key is read first, and refused with InvalidRequestError where its suffix is not `expect_suffix`,
        or is that of the token this client uses; `allow_self` without `expect_suffix` saves that reading. A
        404 raises NotFoundError, unless `missing_ok`, or an earlier attempt of this call may have deleted
        it. Raises what `get` does.
        """
        organization_id, key_id = arguments.read_id("org", org), arguments.read_id("key_id", key_id)
        deadline = self._latest()
        if expect_suffix is not None or not allow_self:
            request = requests.build_get(organization_id, key_id, deadline=deadline)
            response = await self._send(request)
            if response.status == 404 and missing_ok:
                return
            key = responses.read_key(request, response, key_id=key_id)
            own = None if allow_self else await self._session.own_suffix()
            requests.check_deletion(key, expect_suffix=expect_suffix, own_suffix=own)
        request = requests.build_delete(organization_id, key_id, deadline=deadline)
        responses.read_deleted(request, await self._send(request), missing_ok=missing_ok)

    def _latest(self) -> float | None:
        """Say when a call that begins now must be over, on the event loop's clock.

        Raises ClientClosedError here, so that no call waits for a place among those of another loop.
        """
        timer = self._shared.pool.check_usable()
        return None if self._deadline is None else timer.now() + self._deadline
