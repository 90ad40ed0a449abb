"""An asyncio client for the access keys of organizations.

The public names are loaded when they are first used, so that importing the package costs next to nothing.
They are those that the imports of `__init__.pyi` name.
"""

import importlib
import logging
import re
from importlib import resources

from accesskeys_async._version import __version__ as __version__

logging.getLogger(__name__).addHandler(logging.NullHandler())

_found: dict[str, str] = {}


def __getattr__(name: str) -> object:
    if name == "__all__":
        value: object = sorted(_modules())
    elif name in _modules():
        value = getattr(importlib.import_module(_modules()[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules()})


def _modules() -> dict[str, str]:
    # Public name -> the module that defines it.
    if not _found:
        stub = resources.files(__name__).joinpath("__init__.pyi").read_text(encoding="utf-8")
        imports = re.findall(r"^from (\S+) import \w+ as (\w+)$", stub, re.MULTILINE)
        _found.update((name, module) for module, name in imports)
    return _found
