"""The examples that run an audit every night are what their readers take, and their commands are ours."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from accesskeys_async.cli.app import run
from accesskeys_async.cli.commands import load
from accesskeys_async.cli.output.screen import Screen

EXAMPLES = Path(__file__).parents[2] / "examples"


def _read(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


def _nightly() -> list[str]:
    steps = _read("audit-nightly.yml")["jobs"]["audit"]["steps"]
    [command] = [step["run"] for step in steps if step.get("name") == "Audit"]
    return shlex.split(command)


def _cronjob() -> list[str]:
    pod = _read("cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return list(pod["containers"][0]["args"])


@pytest.mark.parametrize("read", [_nightly, _cronjob])
def test_the_command_has_only_options_that_there_are(read: Callable[[], list[str]]) -> None:
    program, name, *options = read()

    known = {option for parameter in load("audit").commands["run"].params for option in parameter.opts}
    assert (program, name) == ("accesskeys", "audit")
    assert {option.partition("=")[0] for option in options if option.startswith("--")} <= known


@pytest.mark.parametrize("read", [_nightly, _cronjob])
def test_the_command_gets_as_far_as_its_files(
    read: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = (tmp_path / "stderr").open("w+")
    with said:
        code = run(read()[1:], screen=Screen(None, None, said))
        said.seek(0)
        assert (code, "policy.toml: can't be read" in said.read()) == (2, True)


def test_the_workflow_uploads_the_reports_that_it_writes_though_findings_fail_it() -> None:
    workflow = _read("audit-nightly.yml")
    steps = workflow["jobs"]["audit"]["steps"]
    written = {option for option in _nightly() if option.startswith("audit.")}

    uses = {step["uses"].partition("@")[0]: step for step in steps if "uses" in step}
    assert uses["github/codeql-action/upload-sarif"]["with"]["sarif_file"] in written
    assert uses["actions/upload-artifact"]["with"]["path"] in written
    after = steps[[step.get("name") for step in steps].index("Audit") + 1 :]
    assert all(step["if"] == "${{ !cancelled() }}" for step in after)
    assert workflow["permissions"] == {"contents": "read", "security-events": "write"}


def test_the_cronjob_tries_again_only_what_may_go_better_the_next_time() -> None:
    job = _read("cronjob.yaml")["spec"]["jobTemplate"]["spec"]
    rules = job["podFailurePolicy"]["rules"]

    assert rules[0]["onExitCodes"]["values"] == [1, 2, 3]
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # a failure policy needs it
    mounted = {mount["mountPath"] for mount in job["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert {"/etc/audit", "/tokens", "/reports"} <= mounted
