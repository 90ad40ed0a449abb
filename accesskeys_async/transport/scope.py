"""Whose quota a refusal is about: one organization's, or one that all of them share."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Scope"]

FEW: Final = 2
"""So many requests an organization's own quota would have let pass."""
STRANGERS: Final = 3
"""So many organizations refused at once are no accident."""
SETTLING: Final = 2.0
"""Seconds after the first refusal in which many come to limits of their own, having begun together."""
FRESH: Final = 15.0
"""Seconds after the first refusal for which to have been refused before proves nothing."""
TOGETHER: Final = 5.0
"""Seconds within which they count as at once."""
MEMORY: Final = 60.0
"""Seconds after the last refusal for which requests are counted at all."""
MAX_COUNTS: Final = 10_000
LATEST: Final = 8


class Scope:
    """Recognize a shared quota by whom it refuses.

    An organization's own quota refuses those who ask much. When three organizations that had asked next to
    nothing are refused within five seconds, the quota is one that others used up: it is shared. When the
    refusals then keep to a few organizations while many others are served, it is not shared after all.
    """

    __slots__ = ("_accepted", "_began", "_last", "_latest", "_strangers", "is_alert", "is_shared")

    def __init__(self) -> None:
        self.is_shared = False
        self.is_alert = False
        """Whether a refusal came lately, so that `accept` is worth calling."""
        self._began = 0.0
        self._last = 0.0
        self._accepted: dict[int, int] = {}
        self._strangers: dict[int, float] = {}
        self._latest: deque[int] = deque(maxlen=LATEST)

    def accept(self, organization: int) -> None:
        """Count a request that was let pass."""
        if len(self._accepted) >= MAX_COUNTS and organization not in self._accepted:
            self._accepted.clear()
        self._accepted[organization] = self._accepted.get(organization, 0) + 1

    def refuse(self, organization: int, now: float, *, began: float, is_known: bool) -> bool:
        """Take in a refusal of a request sent at `began`, and tell whether the quota is a shared one.

        `is_known` tells whether the organization is known to have come to its limit before.
        """
        if not self.is_alert:
            self.is_alert = True
            self._began = now
        self._last = now
        self._latest.append(organization)
        if self.is_shared:
            served = len(self._accepted)
            if len(self._latest) == LATEST and len(set(self._latest)) <= STRANGERS and served > LATEST:
                self.is_shared = False
                self._strangers.clear()
            return self.is_shared
        # What was sent before the first refusal was sent before anything was counted.
        is_settled = began >= self._began + SETTLING and (not is_known or now - self._began <= FRESH)
        if is_settled and self._accepted.get(organization, 0) <= FEW:
            self._strangers[organization] = now
            self._strangers = {o: at for o, at in self._strangers.items() if now - at <= TOGETHER}
            if len(self._strangers) >= STRANGERS:
                self.is_shared = True
                self._latest.clear()
        return self.is_shared

    def calm(self, now: float) -> None:
        """Forget everything a minute after the last refusal."""
        if self.is_alert and now - self._last > MEMORY:
            self.is_alert = False
            self.is_shared = False
            self._accepted.clear()
            self._strangers.clear()
            self._latest.clear()
