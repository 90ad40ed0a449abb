"""The watch over the suite's secrets sees what gets out, and lets the rest pass."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

PLUGIN = Path(__file__).parents[1].joinpath("secrets_watch.py").read_text()
HEAD = """
import logging
import pytest
from accesskeys_async import AccessKeysError, APIStatusError

TOKEN = "Ab1" * 12
ODD = "not-of-the-known-shape"
logger = logging.getLogger("accesskeys_async")
"""
LEAKS = {
    "a log record": "logger.debug('with %s', TOKEN)",
    "a log record of another library": "logging.getLogger('asyncio').debug(TOKEN)",
    "the arguments of a log record": "logger.debug('with %.3s', TOKEN)",
    "an Authorization header": "logger.debug('Authorization: AccessKey short-one-123')",
    "the text of an error": (
        "with pytest.raises(AccessKeysError):\n        raise AccessKeysError(f'no {TOKEN}')"
    ),
    "an attribute of an error": (
        "with pytest.raises(AccessKeysError):\n        error = AccessKeysError('no')\n"
        "        error.cursor = TOKEN\n        raise error"
    ),
    "a note of an error": (
        "with pytest.raises(AccessKeysError):\n        error = AccessKeysError('no')\n"
        "        error.add_note(TOKEN)\n        raise error"
    ),
    "the cause of an error": (
        "with pytest.raises(AccessKeysError):\n        raise AccessKeysError('no') from ValueError(TOKEN)"
    ),
    "the error of a failed test": "raise AccessKeysError(f'no {TOKEN}')",
    "a learnt token": "secrets_watch.learn(ODD)\n    logger.debug(f'with {ODD}!')",
    "a local of the library": (
        "from accesskeys_async._contract.strict import structure\n"
        "    from accesskeys_async import AccessKey\n"
        "    with pytest.raises(AccessKeysError):\n        structure({'id': TOKEN}, AccessKey)"
    ),
}
CLEAN = {
    "a log record without a token": "logger.debug('GET /organizations: 200')",
    "a UUID": "logger.debug('0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01')",
    "a masked header": "logger.debug('Authorization: AccessKey ***')",
    "a test's own local": (
        "secret = TOKEN\n    with pytest.raises(AccessKeysError):\n        raise AccessKeysError('no')"
    ),
}


def run(pytester: pytest.Pytester, tests: dict[str, str], *options: str) -> pytest.RunResult:
    """Run tests under the watch and no other plugin, each named after its number."""
    pytester.makeconftest(PLUGIN)
    functions = [
        f"def test_{number}(secrets_watch):\n    {body}\n" for number, body in enumerate(tests.values())
    ]
    pytester.makepyfile("\n\n".join([HEAD, *functions]))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rfp", *options)


def test_a_test_in_whose_time_a_token_gets_out_fails_and_no_other(pytester: pytest.Pytester) -> None:
    tests = {**LEAKS, **CLEAN}
    result = run(pytester, tests)
    outcomes = ["FAILED" if name in LEAKS else "PASSED" for name in tests]
    for number, outcome in enumerate(outcomes):
        result.stdout.re_match_lines([rf"{outcome} .*::test_{number}( - .*)?$"])
    result.assert_outcomes(failed=len(LEAKS), passed=len(CLEAN))
    findings = [line for line in result.outlines if line.startswith("a secret was exposed: ")]
    assert len(findings) == len(LEAKS)
    assert not any("Ab1" * 12 in finding for finding in findings)


def test_each_worker_of_a_parallel_run_watches_its_own(pytester: pytest.Pytester) -> None:
    leak = {"a log record": LEAKS["a log record"]}
    run(pytester, leak, "-p", "xdist.plugin", "-n", "1").assert_outcomes(failed=1)


def test_this_run_is_watched(pytestconfig: pytest.Config, secrets_watch: object) -> None:
    assert pytestconfig.pluginmanager.hasplugin("tests.secrets_watch")
    before = secrets_watch.texts_seen
    with pytest.raises(ValueError):
        int("no number")
    assert secrets_watch.texts_seen > before
