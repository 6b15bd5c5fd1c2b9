"""Limits per key in this process: requests, tokens and concurrency, reserved together, settled once.

Rules:
    - `reserve` takes all of a call's needs or none of them; nothing happens in between.
    - `settle` replaces the reserved tokens by the actual ones and frees the concurrency, exactly once:
      a second call does nothing.
    - A call bigger than the whole token limit is let in when the window is empty, not never.
    - At most `subjects_max` subjects are remembered: the one longest unused is forgotten first, but never
      one with calls in flight.
Not here:
    - Estimating tokens (quota.estimate); limits across processes (a store with the same two verbs).
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.core.clock import Clock
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Limits
from gateway.quota.headers import Standing, Standings, openai_headers
from gateway.quota.window import Window

SUBJECTS_MAX = 100_000
_SHED_RETRY_S = 1.0
_UNLIMITED = Standings()


class Reservation:
    """A hold on a subject's limits; `standings` is what it left when it was made."""

    __slots__ = ("is_open", "second", "standings", "subject", "tokens")

    def __init__(self, subject: _Subject | None, second: int, tokens: int, standings: Standings) -> None:
        self.subject = subject
        self.second = second
        self.tokens = tokens
        self.standings = standings
        self.is_open = True


class _Subject:
    __slots__ = ("in_flight", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = Window()
        self.tokens = Window()
        self.in_flight = 0


class MemoryQuota:
    """Limits of all keys, in this process only."""

    def __init__(self, clock: Clock, subjects_max: int = SUBJECTS_MAX) -> None:
        self._clock = clock
        self._subjects: OrderedDict[str, _Subject] = OrderedDict()  # longest unused first
        self._subjects_max = subjects_max
        self.open_count = 0  # reservations not yet settled

    async def reserve(self, subject_id: str, limits: Limits, tokens: int) -> Reservation:
        """Take one request, `tokens` and one place, or raise GatewayError RATE_LIMITED taking nothing."""
        if not limits.is_limited:
            self.open_count += 1
            return Reservation(None, 0, 0, _UNLIMITED)
        now_s = self._clock.monotonic()
        subject = self._subject(subject_id)
        subject.requests.advance(now_s)
        subject.tokens.advance(now_s)
        if limits.tokens_per_minute is not None:
            tokens = min(tokens, limits.tokens_per_minute)
        try:
            _check(subject, limits, tokens, now_s)
        except GatewayError as refusal:
            refusal.headers.update(openai_headers(_standings(subject, limits, now_s)))
            raise
        second = subject.requests.add(now_s, 1)
        subject.tokens.add(now_s, tokens)
        subject.in_flight += 1
        self.open_count += 1
        return Reservation(subject, second, tokens, _standings(subject, limits, now_s))

    async def settle(self, reservation: Reservation, tokens: int) -> None:
        """Replace the reserved tokens by `tokens` and free the place. The second call is ignored."""
        if not reservation.is_open:
            return
        reservation.is_open = False
        self.open_count -= 1
        subject = reservation.subject
        if subject is not None:
            subject.in_flight -= 1
            subject.tokens.correct(reservation.second, tokens - reservation.tokens)

    def in_flight(self, subject_id: str) -> int:
        """Reservations of this subject that are open and count against its concurrency."""
        subject = self._subjects.get(subject_id)
        return subject.in_flight if subject else 0

    def _subject(self, subject_id: str) -> _Subject:
        subject = self._subjects.get(subject_id)
        if subject is None:
            self._forget_idle()
            subject = self._subjects[subject_id] = _Subject()
        else:
            self._subjects.move_to_end(subject_id)
        return subject

    def _forget_idle(self) -> None:
        """Make room for one subject more; when all have calls in flight, room is made by letting it grow."""
        if len(self._subjects) < self._subjects_max:
            return
        idle = next((name for name, subject in self._subjects.items() if not subject.in_flight), None)
        if idle is not None:
            del self._subjects[idle]


def _check(subject: _Subject, limits: Limits, tokens: int, now_s: float) -> None:
    if limits.concurrency is not None and subject.in_flight >= limits.concurrency:
        raise _refused("concurrency", limits.concurrency, "calls at a time", _SHED_RETRY_S)
    rpm, tpm = limits.requests_per_minute, limits.tokens_per_minute
    if rpm is not None and subject.requests.used + 1 > rpm:
        raise _refused("requests", rpm, "requests per minute", subject.requests.free_in_s(now_s, rpm, 1))
    if tpm is not None and subject.tokens.used + tokens > tpm:
        raise _refused("tokens", tpm, "tokens per minute", subject.tokens.free_in_s(now_s, tpm, tokens))


def _refused(limit: str, amount: int, unit: str, retry_after_s: float) -> GatewayError:
    return GatewayError(
        Kind.RATE_LIMITED,
        f"Rate limit reached for this key: {amount} {unit}. Try again in {max(retry_after_s, 0.001):.3g} s.",
        retry_after_s=retry_after_s,
        limit=limit,
    )


def _standings(subject: _Subject, limits: Limits, now_s: float) -> Standings:
    return Standings(
        _standing(limits.requests_per_minute, subject.requests, now_s),
        _standing(limits.tokens_per_minute, subject.tokens, now_s),
    )


def _standing(limit: int | None, window: Window, now_s: float) -> Standing | None:
    if limit is None:
        return None
    return Standing(limit, max(0, limit - window.used), window.full_in_s(now_s))
