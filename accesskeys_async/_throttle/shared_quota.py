"""Whether refusals are about a quota that all organizations share."""

from __future__ import annotations

from collections import OrderedDict

from accesskeys_async._throttle.learned_quota import EVIDENCE, RECENT


class SharedQuotaDetector:
    """Recognize a shared quota by whom it refuses.

    It takes as much evidence as one organization's own quota, and each organization is heard once: the last
    response to most of those who were latest served must have been a refusal.
    """

    __slots__ = ("_refused",)

    def __init__(self) -> None:
        self._refused: OrderedDict[int, bool] = OrderedDict()

    def note(self, organization: int, *, refused: bool) -> bool:
        """Take a response in, and tell whether a shared quota explains it best."""
        self._refused[organization] = refused
        self._refused.move_to_end(organization)
        if len(self._refused) > RECENT:
            self._refused.popitem(last=False)
        return refused and sum(self._refused.values()) >= EVIDENCE

    def clear(self) -> None:
        """Begin anew."""
        self._refused.clear()
