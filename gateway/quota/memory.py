"""Limits and money in this process: everything a call needs is reserved together, settled once.

Rules:
    - `reserve` takes all of a call's needs, in every scope and purse, or none of them; nothing happens in between.
    - `settle` replaces the reserved amounts by the actual ones and frees the places, exactly once:
      a second call does nothing.
    - A call bigger than a whole token limit is let in when the window is empty, not never.
    - At most `subjects_max` subjects are remembered: the one longest unused is forgotten first, but never
      one with calls in flight.
Not here:
    - Estimating tokens (quota.estimate); limits across processes (quota.shared); what a purse holds (quota.purses).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.core.clock import Clock
from gateway.core.errors import GatewayError
from gateway.core.limits import DAY_S, DIMENSIONS, Amounts, Debit, Limits, Scope
from gateway.quota.headers import Standing, Standings, noted, openai_headers
from gateway.quota.purses import Purses
from gateway.quota.reservation import Reservation, UnknownPurse, over_concurrency, over_limit
from gateway.quota.window import Window

SUBJECTS_MAX = 100_000


class _Subject:
    """One subject's counts."""

    __slots__ = ("in_flight", "windows")

    def __init__(self) -> None:
        self.windows: dict[str, Window] = {}
        self.in_flight = 0


# plain tuples: made for every window of every call
_Wish = tuple[Window, str, int, int]  # the window, what it counts, its limit, how much of it is wanted
_Booked = tuple[Window, int, str, int]  # the window, the start of the grain, what was taken, how much of it


class _Hold(NamedTuple):
    """What a reservation took, and where."""

    subjects: Sequence[_Subject]
    booked: Sequence[_Booked]  # what settling may correct
    debits: tuple[Debit, ...]
    held_usd_micros: tuple[int, ...]  # of each debit


_NOTHING = _Hold((), (), (), ())


class MemoryQuota:
    """Limits of everybody, in this process only."""

    def __init__(self, clock: Clock, subjects_max: int = SUBJECTS_MAX) -> None:
        self._clock = clock
        self._subjects: OrderedDict[str, _Subject] = OrderedDict()  # longest unused first
        self._subjects_max = subjects_max
        self.purses = Purses()
        self.open_count = 0  # reservations not yet settled
        self.began_day: Callable[[str], None] | None = None  # told of each subject whose day begins to be counted

    async def reserve(self, scopes: Sequence[Scope], asked: Amounts, debits: Sequence[Debit] = ()) -> Reservation:
        """See `gateway.quota.reservation.Quota`."""
        limited = [scope for scope in scopes if scope.limits.is_limited]
        if not limited and not debits:
            self.open_count += 1
            return Reservation(_NOTHING, asked, {})
        if debits and (unknown := self.purses.unknown(debits)):
            raise UnknownPurse(unknown)
        now_s = self._clock.monotonic()
        subjects = [self._subject(scope) for scope in limited]
        wishes: list[_Wish] = []
        amounts = _by_name(asked)
        try:
            for subject, scope in zip(subjects, limited, strict=True):
                _check(subject, scope, amounts, now_s, wishes)
            if debits:
                self.purses.check(debits, asked.usd_micros)
        except GatewayError as refusal:
            wishes = []
            for subject, scope in zip(subjects, limited, strict=True):
                wishes += _wishes(subject, scope.limits, amounts, now_s)
            refusal.headers.update(openai_headers(_standings(wishes, now_s)))
            raise
        booked = [(window, window.add(now_s, wanted), amount, wanted) for window, amount, _, wanted in wishes]
        for subject in subjects:
            subject.in_flight += 1
        held = self.purses.hold(debits, asked.usd_micros) if debits else ()
        self.open_count += 1
        return Reservation(_Hold(subjects, booked, tuple(debits), held), asked, _standings(wishes, now_s))

    async def settle(self, reservation: Reservation, used: Amounts) -> None:
        """See `gateway.quota.reservation.Quota`."""
        if not reservation.is_open:
            return
        reservation.is_open = False
        self.open_count -= 1
        hold = reservation.hold
        if not isinstance(hold, _Hold):
            raise TypeError("the reservation was made by another quota")
        for subject in hold.subjects:
            subject.in_flight -= 1
        amounts = _by_name(used)
        for window, start, amount, taken in hold.booked:
            if amounts[amount] != taken:  # a request stays one
                window.correct(start, amounts[amount] - taken)
        if hold.debits:
            self.purses.settle(hold.debits, hold.held_usd_micros, used.usd_micros)

    def in_flight(self, subject: str) -> int:
        """See `gateway.quota.reservation.Quota`."""
        known = self._subjects.get(subject)
        return known.in_flight if known else 0

    async def put(self, purse: str, balance_usd_micros: int, as_of: int = 0) -> None:
        """See `gateway.quota.reservation.Quota`."""
        self.purses.put(purse, balance_usd_micros, as_of)

    async def add(self, purse: str, usd_micros: int, entry: int) -> None:
        """See `gateway.quota.reservation.Quota`."""
        self.purses.add(purse, usd_micros, entry)

    async def balance_usd_micros(self, purse: str) -> tuple[int, int] | None:
        """See `gateway.quota.reservation.Quota`."""
        balance = self.purses.balance_usd_micros(purse)
        return None if balance is None else (balance, self.purses.held_usd_micros(purse))

    def recall(self, subject: str, age_s: float, used: Amounts, requests: int) -> None:
        """What a subject used so long ago, before this process counted it: it counts for limits per day."""
        known = self._subjects.get(subject)
        if known is None:
            return
        now_s = self._clock.monotonic()
        for name, window in known.windows.items():
            dimension = DIMENSIONS[name]
            if dimension.span_s == DAY_S:
                amount = requests if dimension.amount == "requests" else used.of(dimension.amount)
                window.recall(int(now_s - age_s), amount)
                window.advance(now_s)

    def _subject(self, scope: Scope) -> _Subject:
        name = scope.subject
        subject = self._subjects.get(name)
        if subject is None:
            self._forget_idle()
            subject = self._subjects[name] = _Subject()
            if self.began_day is not None and any(each.span_s == DAY_S for each, _ in scope.limits.windows):
                self.began_day(name)
        else:
            self._subjects.move_to_end(name)
        return subject

    def _forget_idle(self) -> None:
        """Make room for one subject more; when all have calls in flight, room is made by letting it grow."""
        if len(self._subjects) < self._subjects_max:
            return
        idle = next((name for name, subject in self._subjects.items() if not subject.in_flight), None)
        if idle is not None:
            del self._subjects[idle]


def _by_name(amounts: Amounts) -> dict[str, int]:
    """What dimensions count."""
    given, made = amounts.input_tokens, amounts.output_tokens
    return {"requests": 1, "tokens": given + made, "input_tokens": given, "output_tokens": made}


def _check(subject: _Subject, scope: Scope, amounts: dict[str, int], now_s: float, wishes: list[_Wish]) -> None:
    """Add what is wanted of the subject to `wishes`. Raises GatewayError RATE_LIMITED."""
    limits = scope.limits
    if limits.concurrency is not None and subject.in_flight >= limits.concurrency:
        raise over_concurrency(limits.concurrency, scope.kind)
    wanted = _wishes(subject, limits, amounts, now_s)
    for at, (window, _, limit, amount) in enumerate(wanted):
        if window.used + amount > limit:
            dimension = limits.windows[at][0]
            free_in_s = window.free_in_s(now_s, limit, amount)
            raise over_limit(limit, dimension.amount, dimension.unit, scope.kind, free_in_s)
    wishes += wanted


def _wishes(subject: _Subject, limits: Limits, amounts: dict[str, int], now_s: float) -> list[_Wish]:
    """A call bigger than a whole limit wants all of it."""
    wishes: list[_Wish] = []
    for dimension, limit in limits.windows:
        name, amount, _, _ = dimension
        window = subject.windows.get(name)
        if window is None:
            window = subject.windows[name] = Window(dimension.span_s, dimension.grain_s)
        else:
            window.advance(now_s)
        wanted = amounts[amount]
        wishes.append((window, amount, limit, min(limit, wanted)))
    return wishes


def _standings(wishes: Sequence[_Wish], now_s: float) -> Standings:
    standings: Standings = {}
    for window, amount, limit, _ in wishes:
        noted(standings, amount, Standing(limit, max(0, limit - window.used), window.full_in_s(now_s)))
    return standings
