"""Money that calls may take, as this process knows it: balances, and what open calls hold of them.

Rules:
    - Integer micro-USD. What may be spent is the balance less what open calls hold; a call that may cost
      nothing is never refused.
    - A purse that is not known is a bug of the caller (`is_known`, `put` first), never an empty or endless one.
    - A settled call takes what it cost, also where that is more than it held: the balance may go below zero by
      the sum of what open calls cost beyond their holds (trusted ones hold nothing), and by nothing else.
Not here:
    - Where balances come from and go to (accounts); what a call may cost (pipeline.price).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.core.limits import Debit
from gateway.quota.reservation import out_of_money


class _Purse:
    __slots__ = ("as_of", "balance", "held")

    def __init__(self, balance: int, as_of: int) -> None:
        self.balance = balance
        self.held = 0
        self.as_of = as_of


class Purses:
    """All purses in use, by name."""

    def __init__(self) -> None:
        self._purses: dict[str, _Purse] = {}

    def unknown(self, debits: Iterable[Debit]) -> list[Debit]:
        """Those whose balance must be `put` before they can be held."""
        return [debit for debit in debits if debit.purse not in self._purses]

    def put(self, purse: str, balance_usd_micros: int, as_of: int = 0) -> None:
        """The balance of a purse that is not known yet; one that is known keeps its own, which is newer."""
        self._purses.setdefault(purse, _Purse(balance_usd_micros, as_of))

    def see(self, purse: str, free_usd_micros: int) -> None:
        """What may be spent of a purse by what somebody else counts; what is held here comes off it."""
        known = self._purses.get(purse)
        if known is None:
            self._purses[purse] = _Purse(free_usd_micros, 0)
        else:
            known.balance = free_usd_micros

    def add(self, purse: str, usd_micros: int, entry: int) -> None:
        """What an entry of the ledger changed, unless the balance that was put has it."""
        known = self._purses.get(purse)
        if known is not None and entry > known.as_of:
            known.balance += usd_micros

    def balance_usd_micros(self, purse: str) -> int | None:
        """What is there, holds not subtracted; None = unknown."""
        known = self._purses.get(purse)
        return None if known is None else known.balance

    def held_usd_micros(self, purse: str) -> int:
        """What open calls hold."""
        known = self._purses.get(purse)
        return 0 if known is None else known.held

    def check(self, debits: Sequence[Debit], usd_micros: int) -> None:
        """Whether every purse covers the amount. Raises GatewayError INSUFFICIENT_BALANCE."""
        for purse, kind, _ in debits:
            known = self._purses[purse]
            if usd_micros and known.balance - known.held < usd_micros:
                raise out_of_money(kind)

    def hold(self, debits: Sequence[Debit], usd_micros: int) -> tuple[int, ...]:
        """Set the amount aside in every purse that is not trusted with it, and say how much in each; `check` first."""
        held = []
        for purse, _, trust_factor in debits:
            known = self._purses[purse]
            is_trusted = trust_factor and known.balance - known.held > trust_factor * usd_micros
            amount = 0 if is_trusted else usd_micros
            known.held += amount
            held.append(amount)
        return tuple(held)

    def settle(self, debits: Sequence[Debit], held: Sequence[int], cost_usd_micros: int) -> None:
        """Give back what was held and take what it cost."""
        for debit, amount in zip(debits, held, strict=True):
            known = self._purses[debit.purse]
            known.held -= amount
            known.balance -= cost_usd_micros
