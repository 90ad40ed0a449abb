"""The interface of report formats, and the import of libraries that only some formats need."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Protocol

from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.errors import ConfigurationError


class ReportWriter(Protocol):
    """A report format: turns the parts of an audit into bytes, and does no I/O.

    The report is what the three methods return, joined in the order of the calls.
    """

    def begin(self) -> bytes:
        """Return the bytes before the first organization."""
        ...

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Return the bytes that can be written once the result of an organization is known.

        Args:
            audit: The result of one organization.

        Returns:
            Often nothing: formats that begin with the summary return all bytes at the end.
        """
        ...

    def end(self, summary: Summary) -> bytes:
        """Return the bytes after the last organization.

        Args:
            summary: The summary of the whole audit.
        """
        ...


def import_optional(library: str, *, for_report: str, extra: str) -> ModuleType:
    """Import a library. Raises ConfigurationError that names the extra to install."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ConfigurationError(
            f"a {for_report} report needs {library}; install it with: pip install 'accesskeys-async[{extra}]'"
        ) from error
