from __future__ import annotations

import asyncio
import errno
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async.audit import Checkpoint, CheckpointError, CheckpointWriteError, Reading
from accesskeys_async.records import UNSET, RoleRef
from tests.unit.audit.judged import AT, ORGANIZATION, make_key

OTHER = UUID(int=77)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "audit.checkpoint"


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def begin(
    path: Path, *, resume: bool = False, policy: str = "p", inventory: str = "i", now: datetime = AT
) -> Checkpoint:
    return Checkpoint.open(path, policy_hash=policy, inventory_hash=inventory, resume=resume, now=now)


async def test_what_was_read_is_read_back_as_it_was(path: Path) -> None:
    keys = (
        make_key(name="\N{PILE OF POO}", description="a\nb\u2028\x00", created_at=AT.replace(microsecond=1)),
        make_key(description=UNSET, last_used_at=None, updated_at=UNSET, role_ids=UNSET, type=None),
        make_key(role_ids=("a", "b"), role_refs=None),
        make_key(role_refs=(RoleRef(OTHER, "managed", ()), RoleRef(OTHER, None, UNSET))),
        make_key(role_refs=UNSET),
    )
    with begin(path) as checkpoint:
        assert await checkpoint.load(ORGANIZATION) is None
        await checkpoint.add(ORGANIZATION, Reading(keys, "AbCdEf"))
        await checkpoint.add(OTHER, Reading((), ""))
    with begin(path, resume=True, now=AT + timedelta(days=1)) as checkpoint:
        assert checkpoint.started_at == AT
        assert len(checkpoint) == 2
        assert ORGANIZATION in checkpoint
        assert await checkpoint.load(ORGANIZATION) == Reading(keys, "AbCdEf")
        assert await checkpoint.load(OTHER) == Reading((), "")
        assert await checkpoint.load(UUID(int=1)) is None


async def test_a_torn_last_line_is_dropped_and_written_over(path: Path) -> None:
    with begin(path) as checkpoint:
        await checkpoint.add(ORGANIZATION, Reading((make_key(),), ""))
        whole = len(content_of(path))
        await checkpoint.add(OTHER, Reading((make_key(organization_id=OTHER),), ""))
    content = content_of(path)
    for size in {whole + 1, whole + 60, len(content) - 1}:
        rewrite(path, content[:size])
        with begin(path, resume=True) as checkpoint:
            assert (ORGANIZATION in checkpoint, OTHER in checkpoint) == (True, False)
            assert len(content_of(path)) == whole
            await checkpoint.add(OTHER, Reading((), ""))
        with begin(path, resume=True) as checkpoint:
            assert await checkpoint.load(OTHER) == Reading((), "")


def test_a_head_that_was_cut_off_is_begun_anew(path: Path) -> None:
    begin(path).close()
    content = path.read_bytes()
    for size in (0, 5, len(content) - 1):
        path.write_bytes(content[:size])
        with begin(path, resume=True) as checkpoint:
            assert len(checkpoint) == 0
        assert path.read_bytes() == content


def test_a_checkpoint_is_for_its_user_alone_and_t_is_in_utc(path: Path) -> None:
    begin(path, now=AT.astimezone(timezone(timedelta(hours=5)))).close()
    assert path.stat().st_mode & 0o777 == 0o600
    with begin(path, resume=True) as checkpoint:
        assert checkpoint.started_at == AT
        assert checkpoint.started_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("field", "what"), [("policy", "policy"), ("inventory", "inventory")])
def test_a_checkpoint_of_another_policy_or_inventory_is_refused(path: Path, field: str, what: str) -> None:
    begin(path).close()
    with pytest.raises(CheckpointError) as caught:
        begin(path, resume=True, **{field: "x"})
    assert str(caught.value) == f"{path}: is of another {what}; begin a new one"


def test_without_resume_a_checkpoint_is_never_written_over(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(CheckpointError, match="exists already; resume it, or name another"):
        begin(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("content", ["mine", "mine\n", "{}\n", '{"format": "other"}\n', "[1]\n"])
def test_another_file_is_refused_and_left_as_it_is(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(CheckpointError, match="is no checkpoint, and is left as it is"):
        begin(path, resume=True)
    assert path.read_text() == content


def test_a_damaged_line_is_named(path: Path) -> None:
    begin(path).close()
    with path.open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(CheckpointError, match=r"checkpoint:2: is damaged; begin a new one$"):
        begin(path, resume=True)


async def test_a_reading_that_is_damaged_after_it_was_opened_is_named(path: Path) -> None:
    with begin(path) as checkpoint:
        await checkpoint.add(ORGANIZATION, Reading((make_key(),), ""))
    problem = f"organization {ORGANIZATION} can't be read back"
    with begin(path, resume=True) as checkpoint:
        rewrite(path, content_of(path).replace(b"createdAt", b"createdOn"))
        with pytest.raises(CheckpointError, match=problem):
            await checkpoint.load(ORGANIZATION)


@pytest.mark.slow
async def test_no_flipped_bit_goes_unnoticed(path: Path) -> None:
    with begin(path) as checkpoint:
        await checkpoint.add(ORGANIZATION, Reading((make_key(),), "AbCdEf"))
        await checkpoint.add(OTHER, Reading((make_key(organization_id=OTHER),), ""))
    content = content_of(path)
    head, one, _ = content.splitlines(keepends=True)
    places = [*range(0, len(head), 3), *range(len(head), len(head) + len(one), 2)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        rewrite(path, bytes(damaged))
        with pytest.raises(CheckpointError, match=r"is damaged|is no checkpoint"):
            begin(path, resume=True)
        assert content_of(path) == bytes(damaged)


def test_a_checkpoint_of_an_earlier_release_is_refused_and_left_as_it_is(path: Path) -> None:
    head = '{"format": "accesskeys audit checkpoint 1", "policy": "p", "inventory": "i", "started_at": '
    content = f'{head}"2026-11-28T00:00:00+00:00"}}\n'
    path.write_text(content)
    with pytest.raises(CheckpointError, match="is of an earlier release"):
        begin(path, resume=True)
    assert path.read_text() == content


def test_two_audits_do_not_share_a_checkpoint(path: Path) -> None:
    with begin(path), pytest.raises(CheckpointError, match="another audit is writing it"):
        begin(path, resume=True)


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="can't be opened: No such file or directory"):
        begin(tmp_path / "no" / "file")


async def test_many_lines_at_once_are_all_there(path: Path) -> None:
    ids = [UUID(int=number) for number in range(1, 60)]
    with begin(path) as checkpoint:
        await asyncio.gather(
            *(checkpoint.add(one, Reading((make_key(organization_id=one),), "")) for one in ids)
        )
    with begin(path, resume=True) as checkpoint:
        assert all(one in checkpoint for one in ids)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_folder_that_has_no_syncing_will_do(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", sync)

    with begin(path) as checkpoint:
        assert checkpoint.started_at == AT


async def test_a_full_disk_is_an_error_and_no_more_is_written(path: Path) -> None:
    with begin(path) as checkpoint:
        await checkpoint.add(OTHER, Reading((), ""))
        whole = content_of(path)
        with room_for(len(whole) + 50):
            for _ in range(2):
                with pytest.raises(
                    CheckpointWriteError,
                    match="can't be written: File too large; see to its disk, then resume it",
                ):
                    await checkpoint.add(ORGANIZATION, Reading((make_key(),), ""))
        assert content_of(path) == whole
    with begin(path, resume=True) as checkpoint:
        assert len(checkpoint) == 1


@pytest.mark.parametrize("size", [0, 1, 60])
@pytest.mark.parametrize("resume", [True, False])
def test_a_disk_that_is_full_from_the_start_leaves_no_file(path: Path, size: int, resume: bool) -> None:
    with (
        room_for(size),
        pytest.raises(CheckpointWriteError, match="File too large; see to its disk, then begin"),
    ):
        begin(path, resume=resume)
    assert not path.exists()
    begin(path).close()


async def test_a_disk_that_is_full_before_any_organization_leaves_no_file(path: Path) -> None:
    checkpoint = begin(path)
    with (
        room_for(len(content_of(path)) + 50),
        pytest.raises(CheckpointWriteError, match="then begin it again"),
    ):
        await checkpoint.add(ORGANIZATION, Reading((make_key(),), ""))
    checkpoint.close()
    begin(path).close()


async def test_one_that_is_cancelled_while_it_writes_leaves_whole_lines(path: Path) -> None:
    with begin(path) as checkpoint:
        adding = asyncio.create_task(checkpoint.add(ORGANIZATION, Reading((make_key(),), "")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
    assert content_of(path).endswith(b"\n")
    checkpoint.close()
