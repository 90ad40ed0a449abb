"""Rotations driven by events: taskiq tasks, in one process, or over Redis if REDIS_URL is set.

ACCESSKEYS_JOURNAL is the journal's path or URL. TOKEN_DIR is a folder: the token that replaces a key is
written to the file TOKEN_DIR/KEY_ID. ROTATE_EVERY is the number of seconds between two reads of the journal.

    taskiq worker examples.worker.tasks:broker
    taskiq scheduler examples.worker.tasks:scheduler

Tasks may be lost, duplicated, reordered and run by several workers at once. The journal decides what is due,
and its lease decides which worker does it. The journal is therefore the only state.
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
    """Print the state of a rotation, and its problem if it has one."""
    problem = progress.rotation.problem
    print(progress.rotation.id, progress.state, *([problem] if problem else []), flush=True)


@broker.task
async def rotate(key_id: str, grace_seconds: int) -> str:
    """Start or continue a rotation, and return its id. A second event for a key finds the same rotation."""
    rotator = find_rotator()
    rotation = await rotator.plan(
        os.environ["ACCESSKEYS_ORGANIZATION"], key_id, grace=timedelta(seconds=grace_seconds)
    )
    progress = await rotator.run(rotation.id)
    report(progress)
    return str(rotation.id)


@broker.task(schedule=[{"interval": SECONDS}])
async def resume() -> None:
    """Run all steps that are due, including those of rotations that other workers started."""
    for progress in await find_rotator().resume():
        report(progress)
