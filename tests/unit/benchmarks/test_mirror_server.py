from __future__ import annotations

import time
from uuid import UUID

import pytest

from accesskeys_async import AccessKeysClient
from benchmarks import mirror_server
from benchmarks.mirror_server import serve

ORGANIZATIONS = (UUID(int=1), UUID(int=2))


async def test_each_organization_has_so_many_keys_and_reverse_is_a_mirror() -> None:
    with serve(keys=250) as base_url:
        async with AccessKeysClient("a-token-of-a-key", base_url=base_url) as client:
            for organization in ORGANIZATIONS:
                keys = await client.list(organization).collect()
                assert len({key.id for key in keys}) == 250
                assert {key.organization_id for key in keys} == {organization}
                assert (await client.list(organization, reverse=True).collect())[::-1] == keys


async def test_an_organization_without_keys_has_one_empty_page() -> None:
    with serve(keys=0) as base_url:
        async with AccessKeysClient("a-token-of-a-key", base_url=base_url) as client:
            assert await client.list(ORGANIZATIONS[0]).collect() == []


async def test_every_answer_comes_after_the_latency() -> None:
    with serve(keys=300, latency=0.05) as base_url:
        async with AccessKeysClient("a-token-of-a-key", base_url=base_url) as client:
            began = time.perf_counter()
            await client.list(ORGANIZATIONS[0]).collect()
            assert time.perf_counter() - began >= 0.15


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--keys", "-1"], "--keys is -1; it takes 0 to 1,000,000"),
        (["--latency", "nan"], "--latency is nan; it takes 0 or more"),
    ],
)
def test_an_option_out_of_bounds_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        mirror_server.main(arguments)
    assert complaint in capsys.readouterr().err
