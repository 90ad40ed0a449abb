"""Libraries that only some reports need, loaded when such a report is asked for."""

from __future__ import annotations

import importlib
from types import ModuleType

from accesskeys_async.errors import ConfigurationError


def load(library: str, *, for_report: str, extra: str) -> ModuleType:
    """Import a library. Raises ConfigurationError that says which extra has it."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ConfigurationError(
            f"a {for_report} report needs {library}: pip install 'accesskeys-async[{extra}]'"
        ) from error
