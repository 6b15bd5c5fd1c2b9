"""One deployment's breaker: closed, open until a time, half-open with one probe at a time.

Rules:
    - Pure: the time is passed in (`now_s`, monotonic); nothing here waits, counts metrics or logs.
    - It opens on a share of failed or of slow calls in a sliding window with enough calls in it, on failures in a
      row, on `retry-after`, and on a refused key. The longest of all times it was given wins.
    - Half-open, one probe at a time; a probe that nobody ended is given up after `PROBE_MAX_S`.
    - What neither succeeded nor failed (the caller left, the caller's mistake) changes no count; it only ends a probe.
    - Calls that began before it opened neither close it nor prolong it, unless they bring a longer `retry-after`.
Not here:
    - Which candidate is tried although its breaker is open (routing.plan); when calls begin and end (pipeline).
"""

from __future__ import annotations

from enum import Enum

from gateway.config.schema.routing import BreakerRules

SLOTS = 10  # of the window
PROBE_MAX_S = 600.0
QUARANTINE_GROWTH_MAX = 12
_NEVER = -1e18


class Verdict(Enum):
    """What one attempt says of its deployment."""

    OK = "ok"
    FAULT = "fault"  # the provider failed
    THROTTLED = "throttled"  # the provider refused for load or a limit of its own
    UNAUTHORIZED = "unauthorized"  # the provider refused our key
    NEUTRAL = "neutral"  # the caller's fault, or the caller left: says nothing


_OK = Verdict.OK  # asking an enumeration for a member costs six times as much


class State(Enum):
    """Where a breaker stands."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Breaker:
    """See the module's rules."""

    __slots__ = (
        "_began_slot",
        "_calls",
        "_faults",
        "_opened_s",
        "_probe_s",
        "_slot",
        "_slow",
        "_sum_calls",
        "_sum_faults",
        "_sum_slow",
        "_turns_s",
        "failed_probes",
        "in_a_row",
        "open_until_s",
        "openings",
        "reason",
        "rules",
    )  # fmt: skip

    def __init__(self, rules: BreakerRules) -> None:
        self.rules = rules
        self.reason = ""  # why it is not closed; empty = it is
        self.open_until_s = _NEVER
        self.failed_probes = 0
        self.in_a_row = 0  # failures since the last success
        self.openings = 0
        self._opened_s = _NEVER
        self._probe_s = _NEVER  # when the running probe began; _NEVER = none runs
        self._clear()

    def follow(self, rules: BreakerRules) -> None:
        """Go on by these rules."""
        self.rules = rules
        self._turns_s = _NEVER

    def state(self, now_s: float) -> State:
        """Closed, open, or half-open once its time is over."""
        if not self.reason:
            return State.CLOSED
        return State.OPEN if now_s < self.open_until_s else State.HALF_OPEN

    def refusal(self, now_s: float) -> str | None:
        """Why no call may begin now; None when one may."""
        if not self.reason:
            return None
        left_s = self.open_until_s - now_s
        if left_s > 0:
            return f"breaker open for {left_s:.1f} s: {self.reason}"
        if now_s - self._probe_s < PROBE_MAX_S:
            return f"breaker half-open, a probe runs: {self.reason}"
        return None

    def began(self, now_s: float) -> None:
        """A call begins; half-open, the first one is the probe."""
        if self.reason and now_s >= self.open_until_s and now_s - self._probe_s >= PROBE_MAX_S:
            self._probe_s = now_s

    def was_slow(self, now_s: float) -> None:
        """A first content came later than `slow_s`; its call is counted when it ends."""
        if self.reason:
            return
        self._turn(now_s)
        self._slow[self._slot] += 1
        self._sum_slow += 1
        rules, calls = self.rules, max(self._sum_calls, self._sum_slow)
        if calls >= rules.calls_min and self._sum_slow * 100 >= rules.slow_percent * calls:
            self._open(now_s, self._cooldown_s(), f"{self._sum_slow} of {calls} calls were slow")

    def ended(self, now_s: float, verdict: Verdict, seconds: float, retry_after_s: float | None) -> None:
        """A call that took `seconds` is over."""
        if verdict is _OK and not self.reason:  # what nearly all calls take
            if now_s >= self._turns_s:
                self._turn(now_s)
            self._calls[self._slot] += 1
            self._sum_calls += 1
            self.in_a_row = 0
            return
        began_s = now_s - seconds
        is_probe = began_s >= self._probe_s - 1e-6 and self._probe_s != _NEVER
        if is_probe:
            self._probe_s = _NEVER
        if verdict is Verdict.OK:
            self._succeeded(began_s)
        elif verdict is not Verdict.NEUTRAL:
            self._failed(now_s, began_s, verdict, retry_after_s, is_probe=is_probe)

    def _succeeded(self, began_s: float) -> None:
        if began_s >= self._opened_s - 1e-6:  # it says how things are now, not how they were
            self.reason = ""
            self.open_until_s = self._probe_s = _NEVER
            self.failed_probes = self.in_a_row = 0
            self._clear()

    def _failed(
        self, now_s: float, began_s: float, verdict: Verdict, retry_after_s: float | None, *, is_probe: bool
    ) -> None:
        self.in_a_row += 1
        if not self.reason:
            self._turn(now_s)
            self._calls[self._slot] += 1
            self._faults[self._slot] += 1
            self._sum_calls += 1
            self._sum_faults += 1
        elif is_probe and began_s >= self._opened_s:
            self.failed_probes += 1
        asked_s = None if retry_after_s is None else min(retry_after_s, self.rules.cooldown_max_s)
        if verdict is Verdict.UNAUTHORIZED:
            self._open(now_s, self._quarantine_s(), "the provider refused the key")
        elif verdict is Verdict.THROTTLED:
            self._open(now_s, max(asked_s or 0.0, self._throttled_s()), "the provider's rate limit")
        elif is_probe:
            self._open(now_s, max(asked_s or 0.0, self._cooldown_s()), "a probe failed")
        elif not self.reason and (why := self._trip()):
            self._open(now_s, max(asked_s or 0.0, self._cooldown_s()), why)
        elif asked_s:
            self._open(now_s, asked_s, "the provider asked to wait")

    def _trip(self) -> str:
        """Why the counts open it; empty when they do not."""
        rules = self.rules
        if self.in_a_row >= rules.consecutive_max:
            return f"{self.in_a_row} failures in a row"
        if self._sum_calls >= rules.calls_min and self._sum_faults * 100 >= rules.error_percent * self._sum_calls:
            return f"{self._sum_faults} of {self._sum_calls} calls failed"
        return ""

    def _open(self, now_s: float, for_s: float, reason: str) -> None:
        until_s = now_s + for_s
        if not self.reason or now_s >= self.open_until_s:
            self._opened_s = now_s
            self.openings += 1
        if until_s > self.open_until_s:
            self.open_until_s, self.reason = until_s, reason

    def _cooldown_s(self) -> float:
        rules = self.rules
        return min(rules.cooldown_max_s, rules.cooldown_base_s * 2.0 ** min(self.failed_probes, 20))

    def _throttled_s(self) -> float:
        """A rate limit that names no time: short at first."""
        return min(self.rules.cooldown_max_s, self.rules.cooldown_base_s / 5 * 2.0 ** min(self.failed_probes, 20))

    def _quarantine_s(self) -> float:
        return self.rules.quarantine_base_s * min(QUARANTINE_GROWTH_MAX, 2.0 ** min(self.failed_probes, 20))

    def _clear(self) -> None:
        self._calls, self._faults, self._slow = [0] * SLOTS, [0] * SLOTS, [0] * SLOTS
        self._sum_calls = self._sum_faults = self._sum_slow = 0
        self._slot = 0
        self._began_slot = self._turns_s = _NEVER  # nothing to forget before `_turns_s`

    def _turn(self, now_s: float) -> None:
        """Forget what is older than the window."""
        slot_s = self.rules.window_s / SLOTS
        passed = (now_s - self._began_slot) * SLOTS / self.rules.window_s
        if passed >= SLOTS:
            self._clear()
            self._began_slot = now_s
        elif passed >= 1:
            for _ in range(int(passed)):
                at = self._slot = (self._slot + 1) % SLOTS
                self._sum_calls -= self._calls[at]
                self._sum_faults -= self._faults[at]
                self._sum_slow -= self._slow[at]
                self._calls[at] = self._faults[at] = self._slow[at] = 0
            self._began_slot += int(passed) * slot_s
        self._turns_s = self._began_slot + slot_s
