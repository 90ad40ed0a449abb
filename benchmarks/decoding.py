"""Decode a page of a hundred keys, over and over, as one contestant does it.

`python -m benchmarks.decoding --contestant NAME [--pages 2000]` is one round in a process of its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
import orjson

from accesskeys_async._contract.decoding import read_page
from benchmarks.measurement import Round, highest, report
from benchmarks.models import PlainPage, StructPage, make_plain_converter
from benchmarks.static_server import ORGANIZATION_ID, PAGE_SIZE, render_pages

__all__ = ["CONTESTANTS", "main"]

Decode: TypeAlias = Callable[[bytes], object]

WARM_UP_PAGES: Final = 100


def make_client_decoder() -> Decode:
    """Return how this library reads a page, checks included."""
    return lambda body: read_page(body, organization_id=ORGANIZATION_ID)


def make_cattrs_decoder() -> Decode:
    """Return how cattrs reads a page when nothing is done about it."""
    converter = make_plain_converter()
    return lambda body: converter.loads(body, PlainPage)


CONTESTANTS: Final[Mapping[str, Callable[[], Decode]]] = {
    "client": make_client_decoder,
    "msgspec": lambda: msgspec.json.Decoder(StructPage).decode,
    "orjson": lambda: orjson.loads,
    "cattrs": make_cattrs_decoder,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description=__doc__)
    parser.add_argument("--contestant", choices=CONTESTANTS, required=True)
    parser.add_argument("--pages", type=int, default=2_000, help="1 or more")
    options = parser.parse_args(arguments)
    if options.pages < 1:
        parser.error(f"--pages is {options.pages}; it takes 1 or more")
    # The first page of a longer listing: full, and with a page token.
    _, _, body = render_pages(2 * PAGE_SIZE)[0].partition(b"\r\n\r\n")
    print(report(_time(CONTESTANTS[options.contestant](), body, options.pages)))


def _time(decode: Decode, body: bytes, pages: int) -> Round:
    for _ in range(min(pages, WARM_UP_PAGES)):
        decode(body)
    began, cpu_began = time.perf_counter(), time.process_time()
    for _ in range(pages):
        decode(body)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return Round(pages * PAGE_SIZE, seconds, cpu_seconds, highest())


if __name__ == "__main__":
    main()
