"""The machine that figures were taken on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from accesskeys_async._contract.fast import IS_COMPILED

__all__ = ["describe"]

PACKAGES: Final = ("accesskeys-async", "aiohttp", "attrs", "cattrs", "msgspec", "orjson", "uvloop", "yarl")


def describe() -> Mapping[str, object]:
    """Return the processor, its cores, how busy it is, the system, whether the C is in use, and versions."""
    return {
        "processor": _find_processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiled": IS_COMPILED,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _find_processor() -> str:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()
