import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from accesskeys_async.emulator import Emulator

SERVE = """
import sys
from accesskeys_async.emulator import Emulator
with Emulator(database=sys.argv[1], keys_per_organization=3) as emulator:
    print(emulator.base_url, flush=True)
    sys.stdin.read()
"""


def ask(
    emulator: Emulator, base_url: str, method: str, path: str = "", body: dict[str, str] | None = None
) -> Any:
    request = urllib.request.Request(
        f"{base_url}/organizations/{emulator.organization_id}/access-keys{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"AccessKey {emulator.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read() or "null")


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    emulator = Emulator(database=tmp_path / "keys.db", keys_per_organization=3)
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path / "keys.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        page = ask(emulator, base_url, "GET", "?limit=2")
        created = [
            ask(emulator, base_url, "POST", body={"name": f"n{number}", "description": "d"})
            for number in range(20)
        ]
        ask(emulator, base_url, "PATCH", f"/{created[0]['accessKey']['id']}", body={"name": "renamed"})
        ask(emulator, base_url, "DELETE", f"/{created[1]['accessKey']['id']}")
        process.send_signal(signal.SIGKILL)

    with emulator:
        names = {key.id: key.name for key in emulator.keys(emulator.organization_id)}
        assert [names.get(key["accessKey"]["id"]) for key in created] == [
            "renamed",
            None,
            *(f"n{n}" for n in range(2, 20)),
        ]
        for key in created[2:]:
            assert emulator.verify(emulator.organization_id, key["token"]) == key["accessKey"]["id"]
        rest = ask(emulator, emulator.base_url, "GET", f"?limit=1&pageToken={page['nextPageToken']}")
        assert rest["results"][0]["id"] == list(names)[2]
