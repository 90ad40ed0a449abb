"""Import this library, alone or with its client, or import aiohttp: what time that takes.

`python -m benchmarks.importing package|client|aiohttp` is one round in a process of its own. It imports next
to nothing before the clock runs: what it did import would cost the contestants nothing.
"""

import importlib
import sys
import time

CONTESTANTS = {
    "package": ("accesskeys_async", "__version__"),
    "client": ("accesskeys_async", "AccessKeysClient"),
    "aiohttp": ("aiohttp", "ClientSession"),
}
"""Modules, and the name that is used of each."""


def main(name: str) -> None:
    """Run one round."""
    module, used = CONTESTANTS[name]
    began, cpu_began = time.perf_counter(), time.process_time()
    getattr(importlib.import_module(module), used)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    print(f'{{"keys": 1, "seconds": {seconds!r}, "cpu_seconds": {cpu_seconds!r}}}')


if __name__ == "__main__":
    main(sys.argv[1])
