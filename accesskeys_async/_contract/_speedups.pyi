from collections.abc import Sequence
from typing import Any, Self
from uuid import UUID

from accesskeys_async.records import AccessKey

class Filler:
    def __new__(
        cls,
        row: type,
        record: type[AccessKey],
        fields: tuple[str, ...],
        times: tuple[str, ...],
        owner: str,
        undecoded: str,
        raw: type,
        values: dict[bytes, Any],
    ) -> Self: ...
    def fill(self, rows: Sequence[Any], owner: UUID, text: str, /) -> tuple[AccessKey, ...] | None: ...
