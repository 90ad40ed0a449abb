from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Callable

import pytest

from accesskeys_async.cli.app import run
from accesskeys_async.cli.output.screen import Screen
from accesskeys_async.emulator import Emulator, Fault

pytestmark = pytest.mark.slow


def ids_of(service: Emulator) -> set[str]:
    return {str(key.id) for key in service.keys(service.organization_id)}


def test_a_pipe_gets_a_line_of_json_a_key(call: Callable, service: Emulator) -> None:
    done = call("list")
    assert (done.code, done.err) == (0, "")
    assert {json.loads(line)["id"] for line in done.out.splitlines()} == ids_of(service)


def test_a_terminal_gets_a_table_and_the_count(call: Callable, service: Emulator) -> None:
    done = call("list", terminal=True)
    assert done.code == 0
    assert sum("ID" in line and "NAME" in line for line in done.out.splitlines()) == 1
    assert all(key in done.out for key in ids_of(service))
    assert done.err == "250 access keys\n"


def test_the_organization_may_be_named(call: Callable, service: Emulator) -> None:
    second = service.organizations[1]
    done = call("list", second.id)
    assert done.code == 1
    assert "403" in done.err


def test_json_is_one_array(call: Callable, service: Emulator) -> None:
    done = call("list", "--format", "json", "--limit", 100)
    assert {key["id"] for key in json.loads(done.out)} == ids_of(service)


def test_csv_has_a_line_a_key(call: Callable, service: Emulator) -> None:
    done = call("list", "--format", "csv")
    assert {row["id"] for row in csv.DictReader(io.StringIO(done.out))} == ids_of(service)


def test_a_table_for_a_pipe_has_whole_names(call: Callable, service: Emulator) -> None:
    call("create", "--name", "🙂" * 256, "--description", "long", "--show-token")
    done = call("list", "--format", "table")
    assert "🙂" * 256 in done.out
    assert done.err == ""


def test_reverse_comes_from_the_other_end(call: Callable, service: Emulator) -> None:
    onward, back = (
        [json.loads(line)["id"] for line in call("list", *options).out.splitlines()]
        for options in ([], ["--reverse"])
    )
    assert back == onward[::-1]


@pytest.mark.parametrize(("most", "requests"), [(1, 1), (100, 1), (101, 2), (250, 3), (1000, 3)])
def test_max_items_stops_there_and_asks_for_no_more(
    call: Callable, service: Emulator, most: int, requests: int
) -> None:
    done = call("list", "--max-items", most)
    assert len(done.out.splitlines()) == min(most, 250)
    assert service.journal.count(operation="list") == requests


def test_limit_is_the_size_of_a_request(call: Callable, service: Emulator) -> None:
    call("list", "--limit", 50)
    assert service.journal.count(operation="list") == 5


@pytest.mark.parametrize(("output_format", "lines"), [("json", 1), ("ndjson", 0), ("csv", 1), ("table", 0)])
def test_an_empty_listing_is_valid_in_every_format(
    call: Callable, service: Emulator, output_format: str, lines: int
) -> None:
    service.faults.add(Fault.status(200, operation="list", body={"results": []}))
    done = call("list", "--format", output_format)
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) == lines
    if output_format == "json":
        assert json.loads(done.out) == []


def test_what_fails_before_the_first_key_writes_nothing(
    call: Callable, service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACCESSKEYS_TOKEN")
    done = call("list", "--format", "json")
    assert (done.code, done.out) == (3, "")


@pytest.mark.parametrize("output_format", ["json", "ndjson", "csv", "table"])
def test_a_listing_that_breaks_off_is_whole_and_says_where_to_go_on(
    call: Callable, service: Emulator, output_format: str
) -> None:
    pages = (Fault.delay(0.0, operation="list", times=2), Fault.status(400, operation="list"))
    service.faults.add(*pages)
    done = call("list", "--format", output_format)
    assert done.code == 4
    notice, error = done.err.splitlines()
    assert notice.startswith("broke off after 200 keys; go on with --page-token=")
    assert error.startswith("accesskeys: ")
    token = notice.partition("--page-token=")[2]
    rest = call("list", "--format", "json", "--page-token", token)
    found = {key["id"] for key in json.loads(rest.out)}
    if output_format == "json":
        found |= {key["id"] for key in json.loads(done.out)}
        assert found == ids_of(service)
    else:
        assert len(found) == 50
        assert sum(key in done.out for key in ids_of(service)) == 200


def test_a_connection_that_stays_cut_ends_with_4(call: Callable, service: Emulator) -> None:
    service.faults.add(Fault.delay(0.0, operation="list"), Fault.cut_body(operation="list", times=100))
    done = call("list", "--deadline", "1", "--format", "json")
    assert done.code == 4
    assert len(json.loads(done.out)) == 100


def test_a_dropped_connection_on_the_way_is_ridden_through(call: Callable, service: Emulator) -> None:
    service.faults.add(Fault.delay(0.0, operation="list"), Fault.reset_before(operation="list"))
    done = call("list")
    assert (done.code, done.err) == (0, "")
    assert {json.loads(line)["id"] for line in done.out.splitlines()} == ids_of(service)


@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 0), (errno.ENOSPC, 4)])
def test_an_output_that_fails_ends_the_listing_at_once(
    make_desk: Callable, service: Emulator, number: int, code: int
) -> None:
    class Narrow(io.StringIO):
        def write(self, text: str) -> int:
            if self.tell() + len(text) > 1000:
                raise OSError(number, os.strerror(number))
            return super().write(text)

    desk = make_desk()
    assert run(["list"], screen=Screen(desk.stdin, Narrow(), desk.stderr)) == code
    assert desk.err.count("\n") == (1 if code else 0)
    assert service.journal.count(operation="list") == 1


def test_progress_shows_where_only_the_person_s_stderr_is_a_terminal(
    make_desk: Callable, service: Emulator
) -> None:
    seen, data = make_desk(terminal=True), make_desk()
    assert run(["list"], screen=Screen(None, data.stdout, seen.stderr)) == 0
    assert "250 access keys" in seen.err
    assert len(data.out.splitlines()) == 250


def test_quiet_shows_no_progress(make_desk: Callable, service: Emulator) -> None:
    seen, data = make_desk(terminal=True), make_desk()
    assert run(["list", "--quiet"], screen=Screen(None, data.stdout, seen.stderr)) == 0
    assert seen.err == ""
