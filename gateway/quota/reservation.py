"""What a quota gives for a call, and the refusals both kinds of quota share.

Rules:
    - A reservation is settled once; a second settlement does nothing.
    - A refusal names the limit, whose it is, and how long to wait.
Not here:
    - Counting (quota.memory, quota.shared).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Amounts, Debit, Scope
from gateway.quota.headers import Standings

SHED_RETRY_S = 1.0
_WHOSE = {"key": "this key", "user": "this user", "group": "this group", "model": "this model"}


class Reservation:
    """A hold on limits and money; `standings` is what it left when it was made."""

    __slots__ = ("hold", "is_open", "reserved", "standings")

    def __init__(self, hold: object, reserved: Amounts, standings: Standings) -> None:
        self.hold = hold  # the quota's own
        self.reserved = reserved
        self.standings = standings
        self.is_open = True


class UnknownPurse(Exception):  # a question to the accounts, not a failure of the call
    """The balance of some purse must be `put` before it can be held."""

    def __init__(self, debits: Sequence[Debit]) -> None:
        super().__init__(", ".join(debit.purse for debit in debits))
        self.debits = tuple(debits)


class Quota(Protocol):
    """What the pipeline asks of a quota, wherever it counts."""

    @property
    def open_count(self) -> int:
        """Reservations not yet settled."""
        ...

    async def reserve(self, scopes: Sequence[Scope], asked: Amounts, debits: Sequence[Debit] = ()) -> Reservation:
        """Take one request, the tokens, a place and a hold on the money in every scope, or raise taking nothing.

        Raises GatewayError RATE_LIMITED, INSUFFICIENT_BALANCE, or UNAVAILABLE when nobody can tell; UnknownPurse.
        """
        ...

    async def settle(self, reservation: Reservation, used: Amounts) -> None:
        """Replace what was reserved by what was used and free the places. The second call is ignored."""
        ...

    def in_flight(self, subject: str) -> int:
        """Reservations of this subject made here that are open and count against its concurrency."""
        ...

    async def put(self, purse: str, balance_usd_micros: int, as_of: int = 0) -> None:
        """The balance of a purse that is not known yet, with every change up to entry `as_of` of its ledger in it.

        One that is known keeps its own, which is newer.
        """
        ...

    async def add(self, purse: str, usd_micros: int, entry: int) -> None:
        """Money came in or was taken out beside calls, by that entry of the ledger: counted once, also when it is in
        the balance that was put. An unknown purse learns it when it is put.
        """
        ...

    async def balance_usd_micros(self, purse: str) -> tuple[int, int] | None:
        """What is there, and how much of it open calls hold; None = unknown."""
        ...


def over_concurrency(limit: int, kind: str) -> GatewayError:
    """Too many calls at a time."""
    return _refused("concurrency", limit, "calls at a time", kind, SHED_RETRY_S)


def over_limit(limit: int, amount: str, unit: str, kind: str, retry_after_s: float) -> GatewayError:
    """Too much within a window."""
    return _refused(amount, limit, unit, kind, retry_after_s)


def out_of_money(kind: str) -> GatewayError:
    """The wallet or the budget does not cover the call."""
    if kind == "budget":
        text = "The budget of this key does not cover this call. Raise the key's budget, or use another key."
    else:
        text = "Your balance does not cover this call. Top up your account, or ask for a shorter answer."
    return GatewayError(Kind.INSUFFICIENT_BALANCE, text, limit=kind)


def _refused(limit: str, amount: int, unit: str, kind: str, retry_after_s: float) -> GatewayError:
    return GatewayError(
        Kind.RATE_LIMITED,
        f"Rate limit reached for {_WHOSE.get(kind, kind)}: {amount} {unit}. "
        f"Try again in {max(retry_after_s, 0.001):.3g} s.",
        retry_after_s=retry_after_s,
        limit=limit,
    )
