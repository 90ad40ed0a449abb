"""Hypothesis drives a rotation against the service: steps, waits, faults, uses, aborts and other workers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from accesskeys_async import AccessKeysClient, RetryPolicy, Timeout
from accesskeys_async.emulator import Emulator, Fault, ManualClock
from accesskeys_async.rotation import (
    Delivery,
    Journal,
    Rotation,
    RotationRefusedError,
    RotationSettings,
    Rotator,
    SinkError,
    State,
)

T = TypeVar("T")
CLOCK = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
OPERATIONS = st.sampled_from(["list", "create", "get", "update", "delete"])
FAULTS = st.sampled_from(["reset_before", "reset_after", "cut_body", "cut_headers"])


class Sink:
    def __init__(self) -> None:
        self.token: str | None = None
        self.fails = False
        self.is_interrupted = False

    async def __call__(self, delivery: Delivery) -> None:
        if self.fails:
            raise SinkError("sealed")
        self.token = delivery.token.reveal()
        if self.is_interrupted:
            raise asyncio.CancelledError


class RotationMachine(RuleBasedStateMachine):
    service: Emulator

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.service.reset()
        self.sink = Sink()
        self.old_token = ""

    def do(self, act: Coroutine[object, object, T]) -> T:
        return self.runner.run(act)

    @initialize(require_idle=st.booleans())
    def plan(self, require_idle: bool) -> None:
        async def plan() -> Rotation:
            retry = RetryPolicy(max_retries=1, base_delay=0.001)
            self.client = AccessKeysClient(
                self.service.token, base_url=self.service.base_url, retry=retry, timeout=Timeout(attempt=10)
            )
            self.journal = await Journal(Path(self.folder.name, "journal.sqlite")).__aenter__()
            old = await self.client.create(self.service.organization_id, name="old", description="old")
            self.old_token = old.token.reveal()
            self.rotators = [self.make_rotator() for _ in range(2)]
            return await self.rotators[0].plan(old.organization_id, old.id, require_idle=require_idle)

        self.rotation = self.do(plan())
        self.settled = False

    def make_rotator(self) -> Rotator:
        return Rotator(self.client, self.journal, self.sink, settings=RotationSettings(clock=CLOCK.now))

    @rule(worker=st.integers(0, 1))
    def advance(self, worker: int) -> None:
        try:
            self.do(self.rotators[worker].advance(self.rotation.id))
        except asyncio.CancelledError:
            assert self.sink.is_interrupted
        self.sink.is_interrupted = False

    @rule()
    def advance_from_two_at_once(self) -> None:
        async def both() -> None:
            acts = (rotator.advance(self.rotation.id) for rotator in self.rotators)
            await asyncio.gather(*acts, return_exceptions=True)

        self.do(both())
        self.sink.is_interrupted = False

    @rule(seconds=st.sampled_from([1, 40, 400, 86_400, 700_000]))
    def wait(self, seconds: int) -> None:
        CLOCK.advance(seconds)

    @rule(operation=OPERATIONS, kind=FAULTS, times=st.integers(1, 3))
    def lose_replies(self, operation: str, kind: str, times: int) -> None:
        self.service.faults.add(getattr(Fault, kind)(operation=operation, times=times))

    @rule()
    def restart_a_worker(self) -> None:
        self.rotators[0] = self.make_rotator()

    @rule(fails=st.booleans())
    def break_or_mend_the_sink(self, fails: bool) -> None:
        self.sink.fails = fails

    @rule()
    def interrupt_the_next_delivery(self) -> None:
        self.sink.is_interrupted = True

    @precondition(lambda self: self.service.verify(self.service.organization_id, self.old_token))
    @rule()
    def use_the_old_key(self) -> None:
        self.service.faults.clear()
        client = self.client.with_options(token=self.old_token)
        self.do(client.list(self.service.organization_id, prefetch=0).first())

    @rule()
    def abort(self) -> None:
        try:
            self.do(self.rotators[1].abort(self.rotation.id))
        except RotationRefusedError:
            assert self.read().state in {State.DELETING, State.CONFIRMED}

    @precondition(lambda self: self.read().state is State.NEEDS_HUMAN)
    @rule()
    def retry(self) -> None:
        self.do(self.rotators[0].retry(self.rotation.id))

    def read(self) -> Rotation:
        return self.do(self.journal.get(self.rotation.id))

    @invariant()
    def a_working_token_is_always_somewhere(self) -> None:
        """The old key lives, or the new one does and the sink has its token."""
        organization = self.service.organization_id
        old = self.service.verify(organization, self.old_token)
        held = self.sink.token and self.service.verify(organization, self.sink.token)
        assert old or held

    @invariant()
    def the_old_key_goes_only_where_the_journal_says_so(self) -> None:
        if not self.service.verify(self.service.organization_id, self.old_token):
            rotation = self.read()
            assert State.DELETING in {rotation.state, rotation.stuck_at} or rotation.state is State.CONFIRMED

    @invariant()
    def no_key_is_made_that_the_journal_does_not_know(self) -> None:
        rotation = self.read()
        nonces = {candidate.nonce for candidate in rotation.candidates}
        known = {str(candidate.key_id) for candidate in rotation.candidates}
        for key in self.service.keys(self.service.organization_id):
            if key.name == "old" and key.id != str(self.rotation.key_id):
                assert key.id in known or (key.description or "")[-17:-1] in nonces

    def teardown(self) -> None:
        """However it went, mended surroundings bring it to an end that keeps the promise."""
        try:
            if hasattr(self, "rotation"):
                self.come_to_an_end()
        finally:
            self.do(self.close())
            self.runner.close()
            self.folder.cleanup()

    def come_to_an_end(self) -> None:
        self.service.faults.clear()
        self.sink.fails = self.sink.is_interrupted = False
        organization = self.service.organization_id
        by_hand = self.read().state is State.ABORTED
        for _ in range(40):
            rotation = self.read()
            if rotation.is_over:
                break
            if rotation.state is State.NEEDS_HUMAN:
                if "new keys were made" in (rotation.problem or ""):
                    return
                self.do(self.rotators[1].retry(rotation.id))
            progress = self.do(self.rotators[1].run(rotation.id))
            CLOCK.set(max(CLOCK.now(), progress.due_at or CLOCK.now()))
        rotation = self.read()
        assert rotation.is_over
        keys = {key.id for key in self.service.keys(organization) if key.name == "old"}
        if rotation.state is State.CONFIRMED:
            assert self.sink.token is not None
            assert keys == {self.service.verify(organization, self.sink.token)}
        elif not by_hand:
            assert keys == {str(rotation.key_id)}
        else:
            assert str(rotation.key_id) in keys

    async def close(self) -> None:
        if hasattr(self, "journal"):
            await self.journal.aclose()
            await self.client.aclose()


def test_whatever_happens_a_working_token_is_in_the_sink_and_no_key_is_forgotten() -> None:
    with Emulator(clock=CLOCK) as service:
        RotationMachine.service = service
        run = RotationMachine.TestCase()
        run.settings = settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run.runTest()
