"""Rotations driven by events: taskiq's tasks, in this process alone, or over Redis if REDIS_URL is set.

ACCESSKEYS_JOURNAL names the journal, and TOKEN_DIR a folder: the token that replaces a key is written to
TOKEN_DIR/KEY_ID, a file for each key. ROTATE_EVERY is how many seconds lie between two looks at the journal.

    taskiq worker examples.worker.tasks:broker
    taskiq scheduler examples.worker.tasks:scheduler

The tasks may be lost, doubled, reordered and run by several workers at once: the journal decides what is
due, and its lease who does it. So nothing here is kept but the journal.
"""

import os
from contextlib import AsyncExitStack
from datetime import timedelta

from taskiq import (
    AsyncBroker,
    InMemoryBroker,
    TaskiqEvents,
    TaskiqScheduler,
    TaskiqState,
)
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import RedisStreamBroker

from accesskeys_async import AccessKeysClient
from accesskeys_async.rotation import DirectorySink, Journal, Progress, Rotator
from examples.worker.arguments import read_environment

SECONDS = int(os.environ.get("ROTATE_EVERY", "60"))


def make_broker() -> AsyncBroker:
    url = os.environ.get("REDIS_URL")
    return RedisStreamBroker(url, consumer_id="0", xread_block=500) if url else InMemoryBroker()


broker = make_broker()
scheduler = TaskiqScheduler(broker, [LabelScheduleSource(broker)])


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_up(state: TaskiqState) -> None:
    place, folder, _ = read_environment("ACCESSKEYS_JOURNAL", "TOKEN_DIR", "ACCESSKEYS_ORGANIZATION")
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(AccessKeysClient())
        journal = await stack.enter_async_context(Journal(place))
        state.rotator = Rotator(client, journal, DirectorySink(folder))
        state.stack = stack.pop_all()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def close_down(state: TaskiqState) -> None:
    await state.stack.aclose()


def find_rotator() -> Rotator:
    rotator: Rotator = broker.state.rotator
    return rotator


def report(progress: Progress) -> None:
    """Print where a rotation stands, and what went wrong."""
    problem = progress.rotation.problem
    print(progress.rotation.id, progress.state, *([problem] if problem else []), flush=True)


@broker.task
async def rotate(key_id: str, grace_seconds: int) -> str:
    """Begin, or go on: a second event for the same key finds the rotation of the first. Returns its id."""
    rotator = find_rotator()
    rotation = await rotator.plan(
        os.environ["ACCESSKEYS_ORGANIZATION"], key_id, grace=timedelta(seconds=grace_seconds)
    )
    progress = await rotator.run(rotation.id)
    report(progress)
    return str(rotation.id)


@broker.task(schedule=[{"interval": SECONDS}])
async def resume() -> None:
    """Take the steps that have become due, whoever began them."""
    for progress in await find_rotator().resume():
        report(progress)
