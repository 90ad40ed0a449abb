"""Blocks as large as receive buffers are reused by the allocator once a pool was opened."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
from accesskeys_async._http.pool import keep_receive_buffers

def count_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        bytearray(b"x") * (3 * 1024 * 1024)  # larger than what compiling or importing may have freed
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = count_faults()
keep_receive_buffers()
count_faults()
print(before, count_faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc maps such blocks anew each time")
def test_a_large_block_is_no_longer_mapped_from_the_system_each_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, check=True, timeout=60
    )
    before, after = map(int, done.stdout.split())
    assert after < 100 < before
