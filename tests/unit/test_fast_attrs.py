from __future__ import annotations

import pytest
from attrs import exceptions, frozen

from accesskeys_async._fast_attrs import unfrozen_subclass


@frozen
class Point:
    x: int
    y: int = 0


def test_what_was_filled_is_a_record_like_any_other() -> None:
    point = unfrozen_subclass(Point)()
    point.x, point.y = 1, 2
    point.__class__ = Point

    assert type(point) is Point
    assert (point, hash(point), repr(point)) == (Point(1, 2), hash(Point(1, 2)), "Point(x=1, y=2)")


def test_a_finished_record_is_frozen() -> None:
    point = unfrozen_subclass(Point)()
    point.x, point.y = 1, 2
    point.__class__ = Point

    with pytest.raises(exceptions.FrozenInstanceError):
        point.x = 3
    with pytest.raises(exceptions.FrozenInstanceError):
        del point.x
