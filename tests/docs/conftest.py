"""An emulator for what the pages show, and the environment that points there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from accesskeys_async.emulator import Emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """One organization with some keys, old and young, used and unused."""
    with Emulator(seed=5, keys_per_organization=60) as emulator:
        yield emulator


@pytest.fixture
def environment(emulator: Emulator) -> Mapping[str, str]:
    """What a reader has exported: where the emulator is, and this environment's programs first."""
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ACCESSKEYS_BASE_URL": emulator.base_url,
        "ACCESSKEYS_TOKEN": emulator.token,
        "ACCESSKEYS_ORGANIZATION": emulator.organization_id,
        "ROLE_ID": emulator.roles(emulator.organization_id)[0].id,
    }
