"""How often somebody may fail: one number per subject, bounded in number.

Rules:
    - Pure: the time is passed in. A subject may fail `per_minute` times at once, then evenly at that rate.
    - At most `subjects_max` subjects are remembered, the one longest unused is forgotten first.
Not here:
    - What counts as a failure (directory, users); limits of keys (quota).
"""

from __future__ import annotations

from collections import OrderedDict

_MINUTE_S = 60.0


class Throttle:
    """Failures by subject, as the time at which all of them are forgotten."""

    def __init__(self, subjects_max: int = 10_000) -> None:
        self._clean_at_s: OrderedDict[str, float] = OrderedDict()
        self._subjects_max = subjects_max

    def __len__(self) -> int:
        return len(self._clean_at_s)

    def wait_s(self, subject: str, per_minute: int, now_s: float) -> float:
        """Seconds until one more may be tried; 0 now."""
        clean_at_s = max(self._clean_at_s.get(subject, 0.0), now_s) + _MINUTE_S / per_minute
        wait_s = clean_at_s - now_s - _MINUTE_S
        return wait_s if wait_s > 1e-9 else 0.0  # rounding of sixty additions

    def take(self, subject: str, per_minute: int, now_s: float) -> float:
        """Count one; 0 when it may be tried, else the seconds to wait, with nothing counted."""
        wait_s = self.wait_s(subject, per_minute, now_s)
        if not wait_s:
            self._clean_at_s[subject] = max(self._clean_at_s.get(subject, 0.0), now_s) + _MINUTE_S / per_minute
            self._clean_at_s.move_to_end(subject)
            if len(self._clean_at_s) > self._subjects_max:
                self._clean_at_s.popitem(last=False)
        return wait_s

    def give_back(self, subject: str, per_minute: int) -> None:
        """What was counted was no failure."""
        if subject in self._clean_at_s:
            self._clean_at_s[subject] -= _MINUTE_S / per_minute
