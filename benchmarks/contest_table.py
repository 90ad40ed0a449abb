"""Who enters which contest of what the machine bounds, and with how much work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

from benchmarks import streaming_memory
from benchmarks.contest import OURS, Contest, Entrant
from benchmarks.peers import PEERS, Environment
from benchmarks.static_server import PROJECT

__all__ = ["FULL", "SHORT", "Scale", "enter_machine", "enter_memory"]


@frozen
class Scale:
    """How much work a round is."""

    keys: int
    """To stream, and to keep."""
    reads: int
    pages: int
    """To decode."""
    streamed: int
    """Keys to let pass."""


FULL: Final = Scale(keys=100_000, reads=20_000, pages=2_000, streamed=1_000_000)
SHORT: Final = Scale(keys=300, reads=130, pages=2, streamed=1_000)

SLOW: Final = 5
"""A peer does a fifth of the work, and still takes longest."""

PLAIN: Final[Mapping[str, str]] = {"ACCESSKEYS_NO_EXTENSIONS": "1"}
"""Keeps this library from its compiled code."""

TITLES: Final[Mapping[str, str]] = {
    OURS: "**accesskeys_async**, to records",
    "plain": "accesskeys_async, without its C",
    "sequential": "accesskeys_async, `prefetch=0`",
    "uvloop": "accesskeys_async, on uvloop",
    "no-collector": "accesskeys_async, `gc.disable()`",
    "bare": "bare aiohttp + orjson, to dicts",
    "socket": "raw sockets + msgspec, to structs",
    "msgspec": "msgspec, to structs",
    "orjson": "orjson, to dicts",
    "cattrs": "cattrs as it comes",
    "aiohttp-retry": "aiohttp-retry over bare aiohttp",
    "httpx": "httpx + pydantic",
    "vendor-runtime": "the vendors' SDK runtime",
    "openapi-generator": "openapi-generator, asyncio",
    "openapi-python-client": "openapi-python-client",
    "aiohttp": "`import aiohttp`",
    "package": "`import accesskeys_async`",
}


def enter_machine(base_url: str, scale: Scale, environment: Environment) -> dict[str, Contest]:
    """Return the contests: decode, stream, single, kept, import."""
    at = ("--base-url", base_url)
    pages = ("--pages", str(scale.pages))
    return {
        "decode": Contest(
            f"Decode a page of 100 keys, {scale.pages:,} times",
            "keys",
            "msgspec",
            {
                name: Entrant(
                    TITLES[name],
                    ("benchmarks.decoding", "--contestant", OURS if name == "plain" else name, *pages),
                    environment=PLAIN if name == "plain" else {},
                )
                for name in (OURS, "plain", "msgspec", "orjson", "cattrs")
            },
        ),
        "stream": Contest(
            f"Stream a listing of {scale.keys:,} keys, 100 a page, no latency",
            "keys",
            "bare",
            _readers("stream", base_url, scale.keys, environment),
            environment.skipped,
        ),
        "single": Contest(
            f"Read {scale.reads:,} keys one by one, 64 at a time",
            "reads",
            "bare",
            _readers("single", base_url, scale.reads, environment),
            environment.skipped,
        ),
        "kept": Contest(
            f"Keep {scale.keys:,} keys in memory",
            "keys",
            "bare",
            {
                name: Entrant(
                    TITLES[name],
                    ("benchmarks.retained_memory", "--contestant", name, *at, "--keys", str(scale.keys)),
                )
                for name in (OURS, "no-collector", "bare")
            },
        ),
        "import": Contest(
            "Import, in a new interpreter",
            "imports",
            "aiohttp",
            {
                OURS: Entrant("import and use the client", ("benchmarks.importing", "client")),
                "package": Entrant(TITLES["package"], ("benchmarks.importing", "package")),
                "aiohttp": Entrant(TITLES["aiohttp"], ("benchmarks.importing", "aiohttp")),
            },
        ),
    }


def enter_memory(whole: str, shares: str, scale: Scale) -> dict[str, Contest]:
    """Return the contest of keys that pass and are not kept.

    Takes the base URLs of mirror servers: whose organizations have all the keys, and a share each.
    """
    entrants = {
        name: Entrant(
            f"`{name}`",
            (
                *("benchmarks.streaming_memory", "--contestant", name, "--keys", str(scale.streamed)),
                *("--base-url", shares if name == "list_many" else whole),
            ),
        )
        for name in streaming_memory.CONTESTANTS
    }
    return {"memory": Contest(f"Let {scale.streamed:,} keys pass", "keys", "list", entrants)}


def _readers(work: str, base_url: str, amount: int, environment: Environment) -> dict[str, Entrant]:
    task = ("--work", work, "--base-url", base_url)

    def command(module: str, name: str, share: int) -> tuple[str, ...]:
        what = ("--module", module, "--contestant", name, *task, "--amount", str(amount // share))
        return ("benchmarks.reading", *what)

    own = (OURS, *(("sequential",) if work == "stream" else ()), "bare", "socket", "cattrs")
    entrants = {name: Entrant(TITLES[name], command("benchmarks.contestants", name, 1)) for name in own}
    entrants["plain"] = evolve(entrants[OURS], title=TITLES["plain"], environment=PLAIN)
    on_uvloop = (*entrants[OURS].command, "--uvloop")
    entrants["uvloop"] = Entrant(TITLES["uvloop"], on_uvloop)
    for name in PEERS:
        entrants[name] = Entrant(
            TITLES[name],
            command("benchmarks.peer_contestants", name, SLOW),
            python=environment.python,
            imports=(PROJECT, *environment.generated),
            may_fail=True,
        )
    return entrants
