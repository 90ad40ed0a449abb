"""Each module has its tests at the same path, or is in a table that names their place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "accesskeys_async"

NO_TESTS: Final = {"__init__", "_version"}
"""Modules of names and a number."""

TESTED_IN: Final = {
    "__main__.py": "unit/cli/test_process.py",
    "_atomic_file.py": "unit/audit/reports/test_report_formats.py",
    "_resources.py": "unit/test_append_file.py",
    "_client/bulk.py": "contract/test_client_fanout.py",
    "_client/key_pages.py": "unit/_listing/test_listing.py",
    "_client/options.py": "unit/test_client_options.py",
    "_client/raw.py": "contract/test_client_operations.py",
    "_contract/arguments.py": "unit/_contract/test_requests.py",
    "_contract/responses.py": "unit/test_operations_answers.py",
    "_http/pool.py": "unit/_http/test_receive_buffers.py",
    "_http/session.py": "faults/test_connections.py",
    "_public.py": "unit/test_public_api.py",
    "_throttle/learned_quota.py": "unit/_throttle/test_adaptive.py",
    "_throttle/permits.py": "unit/_throttle/test_fixed_rate.py",
    "audit/cleanup/apply.py": "contract/test_remediation.py",
    "audit/errors.py": "unit/audit/policies/test_loading.py",
    "audit/history/bulk_insert.py": "unit/audit/history/test_recording.py",
    "audit/history/differences.py": "unit/audit/history/test_audit_history.py",
    "audit/history/enrichment.py": "unit/audit/history/test_recording.py",
    "audit/history/finding_intervals.py": "unit/audit/history/test_recording.py",
    "audit/history/history_tables.py": "unit/audit/history/test_migrations.py",
    "audit/history/previous.py": "unit/audit/history/test_recording.py",
    "audit/history/reading_writer.py": "unit/audit/history/test_recording.py",
    "audit/history/records.py": "unit/audit/history/test_audit_history.py",
    "audit/history/rotation_keys.py": "contract/test_history_audit.py",
    "audit/history/runs.py": "unit/audit/history/test_audit_history.py",
    "audit/policies/suppressions.py": "unit/audit/run/test_evaluation.py",
    "audit/records.py": "unit/audit/run/test_evaluation.py",
    "audit/reports/figures.py": "unit/audit/reports/test_html.py",
    "audit/reports/finding_table.py": "unit/audit/reports/test_csv_table.py",
    "audit/reports/report_writer.py": "unit/audit/reports/test_report_formats.py",
    "audit/rules/columns.py": "unit/audit/rules/test_changes.py",
    "audit/rules/key_changes.py": "unit/audit/rules/test_changes.py",
    "audit/rules/name_folding.py": "properties/test_audit.py",
    "audit/rules/parameters.py": "unit/audit/rules/test_rule.py",
    "audit/rules/snapshot.py": "properties/test_audit.py",
    "audit/rules/text_patterns.py": "properties/test_audit.py",
    "audit/run/progress.py": "unit/audit/run/test_engine.py",
    "audit/run/totals.py": "unit/audit/test_audit_tally.py",
    "cli/audit/baseline.py": "unit/cli/audit/test_history.py",
    "cli/audit/commands.py": "unit/cli/test_commands.py",
    "cli/audit/scope.py": "unit/cli/audit/test_run.py",
    "cli/demo/audit.py": "unit/cli/demo/test_commands.py",
    "cli/durations.py": "unit/cli/test_reap.py",
    "cli/examples.py": "unit/cli/test_commands.py",
    "cli/keys/reap.py": "unit/cli/test_reap.py",
    "cli/output/row_writers.py": "unit/cli/rotate/test_commands.py",
    "cli/rotate/session.py": "unit/cli/rotate/test_commands.py",
    "cli/rotate/table.py": "unit/cli/rotate/test_commands.py",
    "emulator/bodies.py": "unit/emulator/test_validation.py",
    "emulator/loop_thread.py": "unit/emulator/test_server.py",
    "emulator/records.py": "unit/emulator/test_store.py",
    "emulator/running.py": "unit/emulator/test_server.py",
    "rotation/orphans.py": "unit/rotation/test_renewal.py",
    "rotation/schema.py": "unit/rotation/test_journal.py",
    "rotation/settings.py": "unit/rotation/test_rotator.py",
    "rotation/steps.py": "unit/rotation/test_rotator.py",
}
"""A module that has no test file of its own, and where it is tested instead, below `tests`."""


def _modules() -> set[str]:
    return {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.stem not in NO_TESTS}


def _own_test(module: str) -> Path:
    path = Path(module)
    return ROOT / "tests" / "unit" / path.parent / f"test_{path.stem.strip('_')}.py"


def test_each_module_has_its_own_tests_or_is_in_the_table() -> None:
    without = {module for module in _modules() if not _own_test(module).exists()}
    assert without - TESTED_IN.keys() == set()


def test_the_table_has_only_modules_without_tests_of_their_own() -> None:
    assert {module for module in TESTED_IN if module not in _modules() or _own_test(module).exists()} == set()


def test_the_tests_of_the_table_exist() -> None:
    assert {place for place in TESTED_IN.values() if not (ROOT / "tests" / place).exists()} == set()
