"""Compile the package's C part if there is a compiler.

Without a compiler, or with `ACCESSKEYS_NO_EXTENSIONS` set, the package is built without it. Python then does
the same, and the wheel fits every platform.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

MODULE = "accesskeys_async._contract._speedups"


class CompileHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel, or makes an editable installation."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, beside the source for an editable installation and out of the way for a wheel."""
        if os.environ.get("ACCESSKEYS_NO_EXTENSIONS"):
            return
        root = Path(self.root)
        # It must lie there until hatchling has packed it, which is after this hook.
        folder = root if version == "editable" else root / "build" / "lib"
        try:
            built = _compile(root, folder)
        except (BaseError, CCompilerError, OSError) as error:
            self.app.display_warning(f"{MODULE} is left out, and Python does its work: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"][str(built)] = str(built.relative_to(folder))


def _compile(root: Path, folder: Path) -> Path:
    source = Path(*MODULE.split(".")).with_suffix(".c")
    extension = Extension(MODULE, [str(root / source)])
    command = build_ext(Distribution({"ext_modules": [extension]}))
    command.build_lib = str(folder)
    command.force = True
    with tempfile.TemporaryDirectory() as scratch:
        command.build_temp = scratch
        command.ensure_finalized()
        command.run()
    return Path(command.get_ext_fullpath(MODULE))
