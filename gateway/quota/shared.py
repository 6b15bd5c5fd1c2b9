"""Limits and money that several services share: one script per step in a Valkey or Redis server.

Rules:
    - The verbs and the arithmetic of `quota.memory`, exact across services: a step is one script.
    - Places and holds are leases, renewed while a call runs: what a service that died had taken returns by itself.
    - Without the store, `on_loss` decides: `local` counts in this process with a share of each limit, `deny` refuses
      with UNAVAILABLE, `allow` lets calls in uncounted. What calls cost meanwhile is told when it is back, once.
    - Alone, a service may spend a share of what it last saw free in a purse, and no more.
Not here:
    - The scripts (quota.scripts); bounds on waiting for the store (gateway.store).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from itertools import repeat
from secrets import token_hex
from typing import Any, NamedTuple

from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Amounts, Debit, Dimension, Limits, Scope
from gateway.quota import scripts
from gateway.quota.headers import Standing, Standings, noted, openai_headers
from gateway.quota.memory import MemoryQuota
from gateway.quota.reservation import Reservation, UnknownPurse, out_of_money, over_concurrency, over_limit
from gateway.store.valkey import StoreUnavailable, Valkey, Value
from gateway.wire import json

PREFIX = "gateway:"
_TAG = "{limits}:"  # one slot of a cluster
LEASE_S = 60.0
RENEW_EVERY_S = 15.0
LATE_EVERY_S = 0.5
LATE_MAX = 20_000  # settlements kept for a store that is away
_NO_PLACE_LIMIT = -1


class _Window(NamedTuple):
    key: str
    dimension: Dimension
    limit: int
    amount: int
    kind: str


class _Hold(NamedTuple):
    """What a reservation took in the store."""

    id: str
    windows: tuple[_Window, ...]
    starts: tuple[int, ...]
    scopes: tuple[Scope, ...]
    debits: tuple[Debit, ...]
    born: tuple[str, ...]  # of each debit's purse


class _Alone(NamedTuple):
    """What was let in without the store: counted here, or (None) nowhere."""

    local: Reservation | None
    hold: _Hold


class _Told(NamedTuple):
    """A step that must reach the store, once: its script guards itself."""

    script: str
    keys: list[str]
    args: list[Value]


class SharedQuota:
    """See the module's rules. `replicas` services share the limits when the store is away."""

    def __init__(
        self, store: Valkey, local: MemoryQuota, *, on_loss: str = "local", replicas: int = 1, prefix: str = PREFIX
    ) -> None:
        self._store = store
        self._prefix = prefix + _TAG
        self._local = local
        self._on_loss = on_loss
        self._replicas = replicas
        self._open: dict[str, _Hold] = {}
        self._born: dict[str, str] = {}  # of the purses this service has seen
        self._uncounted = 0
        self._in_flight: Counter[str] = Counter()
        self._late: deque[_Told] = deque(maxlen=LATE_MAX)
        self._is_late = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def open_count(self) -> int:
        """Reservations not yet settled."""
        return len(self._open) + self._local.open_count + self._uncounted

    def start(self) -> None:
        """Begin to renew leases and to tell what the store missed."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """End that; leases of calls that still run expire."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def reserve(self, scopes: Sequence[Scope], asked: Amounts, debits: Sequence[Debit] = ()) -> Reservation:
        """See `gateway.quota.reservation.Quota`."""
        limited = tuple(scope for scope in scopes if scope.limits.is_limited)
        if not limited and not debits:
            self._uncounted += 1
            return Reservation(None, asked, {})
        windows = tuple(_windows(self._prefix, limited, asked))
        hold = _Hold(token_hex(8), windows, (), limited, tuple(debits), ())
        is_asked = self._store.is_up
        try:
            answer = await self._ask(hold, asked)
        except BaseException as loss:
            if is_asked:
                self._later(self._settlement(hold, Amounts(0, 0)))  # it may have been taken all the same
            if isinstance(loss, StoreUnavailable):
                return await self._without_store(hold, asked, loss)
            raise
        standings = _standings(windows, answer.get("windows") or ())
        if "refused" in answer:
            _refuse(answer, hold, standings)
        born = self._see(hold.debits, answer)
        self._open[hold.id] = hold = hold._replace(starts=tuple(answer.get("starts") or ()), born=born)
        self._in_flight.update(scope.subject for scope in limited)
        return Reservation(hold, asked, standings)

    async def settle(self, reservation: Reservation, used: Amounts) -> None:
        """See `gateway.quota.reservation.Quota`. Without the store, it is told when it is back."""
        if not reservation.is_open:
            return
        reservation.is_open = False
        hold = reservation.hold
        if not isinstance(hold, _Hold):
            await self._settle_alone(hold, used)
            return
        del self._open[hold.id]
        self._in_flight.subtract(scope.subject for scope in hold.scopes)
        for scope in hold.scopes:
            if self._in_flight[scope.subject] <= 0:
                del self._in_flight[scope.subject]
        told = self._settlement(hold, used)
        try:
            answer = await self._store.script(*told)
        except StoreUnavailable:
            self._later(told)
        else:
            self._see(hold.debits, json.loads(answer))

    async def _settle_alone(self, hold: object, used: Amounts) -> None:
        if not isinstance(hold, _Alone) or hold.local is None:
            self._uncounted -= 1
        if isinstance(hold, _Alone):
            if hold.local is not None:
                await self._local.settle(hold.local, used)
            if hold.hold.debits and used.usd_micros:
                self._later(self._settlement(hold.hold, used))

    def in_flight(self, subject: str) -> int:
        """See `gateway.quota.reservation.Quota`."""
        return self._in_flight[subject] + self._local.in_flight(subject)

    async def put(self, purse: str, balance_usd_micros: int, as_of: int = 0) -> None:
        """See `gateway.quota.reservation.Quota`."""
        await self._local.put(purse, balance_usd_micros // self._replicas, as_of)
        try:
            told: list[Value] = [balance_usd_micros, as_of, token_hex(8)]
            await self._store.script(scripts.PUT, [self._purse_keys(purse)[0]], told)
        except StoreUnavailable:
            return  # `on_loss` decides at the next reservation

    async def add(self, purse: str, usd_micros: int, entry: int) -> None:
        """See `gateway.quota.reservation.Quota`. Without the store, it is told when it is back."""
        await self._local.add(purse, usd_micros, entry)
        keys = [f"{self._prefix}e:{purse}:{entry}", self._purse_keys(purse)[0]]
        await self._tell(_Told(scripts.ADD, keys, [usd_micros, entry]))

    async def balance_usd_micros(self, purse: str) -> tuple[int, int] | None:
        """See `gateway.quota.reservation.Quota`. Without the store nobody knows."""
        lua = "return redis.call('HMGET', KEYS[1], 'balance', 'held')"
        try:
            balance, held = await self._store.script(lua, [self._purse_keys(purse)[0]], [])
        except StoreUnavailable:
            return None
        return None if balance is None else (int(balance), int(held or 0))

    async def _tell(self, told: _Told) -> None:
        """Tell the store now, or as soon as it answers; it counts once in any case."""
        try:
            await self._store.script(*told)
        except StoreUnavailable:
            self._later(told)

    def _later(self, told: _Told) -> None:
        self._late.append(told)
        self._is_late.set()

    async def _ask(self, hold: _Hold, asked: Amounts) -> dict[str, Any]:
        keys = [f"{self._prefix}d:{hold.id}"]
        body = {
            "id": hold.id,
            "lease_s": LEASE_S,
            "windows": [
                [_at(keys, w.key), w.amount, w.limit, w.dimension.span_s, w.dimension.grain_s] for w in hold.windows
            ],
            "places": [[_at(keys, self._place_key(s.subject)), _places(s.limits)] for s in hold.scopes],
            "purses": [
                [*(_at(keys, key) for key in self._purse_keys(d.purse)), asked.usd_micros, d.trust_factor]
                for d in hold.debits
            ],
        }
        answer: dict[str, Any] = json.loads(await self._store.script(scripts.RESERVE, keys, [json.dumps(body)]))
        return answer

    async def _without_store(self, hold: _Hold, asked: Amounts, loss: StoreUnavailable) -> Reservation:
        if self._on_loss == "deny":
            text = "Limits cannot be checked now. Try again soon."
            raise GatewayError(Kind.UNAVAILABLE, text, retry_after_s=1.0, cause=f"shared limits: {loss}") from loss
        born = tuple(self._born.get(each.purse, scripts.ANY) for each in hold.debits)
        alone = _Hold(token_hex(8), (), (), (), hold.debits, born)
        if self._on_loss == "allow":
            self._uncounted += 1
            return Reservation(_Alone(None, alone), asked, {})
        shared = [scope._replace(limits=share(scope.limits, self._replicas)) for scope in hold.scopes]
        local = await self._local.reserve(shared, asked, hold.debits)
        return Reservation(_Alone(local, alone), asked, local.standings)

    def _see(self, debits: Sequence[Debit], answer: dict[str, Any]) -> tuple[str, ...]:
        """Note what the store has of the purses; when each was born."""
        shown = answer.get("purses") or ()
        for debit, (born, balance, held) in zip(debits, shown, strict=False):
            self._born[debit.purse] = born
            self._local.purses.see(debit.purse, (int(balance) - int(held)) // self._replicas)
        return tuple(born for born, _, _ in shown)

    async def _keep(self) -> None:
        """Renew the leases of open calls, and tell what the store missed."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_EVERY_S):
                    await self._is_late.wait()
                    await asyncio.sleep(min(LATE_EVERY_S, RENEW_EVERY_S))
            try:
                await self._renew()
                while self._late:
                    await self._store.script(*self._late[0])
                    self._late.popleft()
                self._is_late.clear()
            except StoreUnavailable:
                continue

    def _settlement(self, hold: _Hold, used: Amounts) -> _Told:
        """What is told of a call that ended."""
        keys = [f"{self._prefix}d:{hold.id}"]
        changes = [
            [_at(keys, window.key), start, used.of(window.dimension.amount) - window.amount]
            for window, start in zip(hold.windows, hold.starts, strict=False)  # none of a hold that was not answered
            if window.dimension.amount != "requests"
        ]
        purses = [
            [*(_at(keys, key) for key in self._purse_keys(each.purse)), used.usd_micros, born]
            for each, born in zip(hold.debits, hold.born or repeat(""), strict=False)  # "": no answer, so no cost
        ]
        places = [_at(keys, self._place_key(scope.subject)) for scope in hold.scopes]
        body = json.dumps({"id": hold.id, "windows": changes, "places": places, "purses": purses})
        return _Told(scripts.SETTLE, keys, [body])

    def _place_key(self, subject: str) -> str:
        return f"{self._prefix}p:{subject}"

    def _purse_keys(self, purse: str) -> tuple[str, str, str]:
        return f"{self._prefix}m:{purse}", f"{self._prefix}mh:{purse}", f"{self._prefix}ml:{purse}"

    async def _renew(self) -> None:
        ids: dict[str, list[str]] = {}
        beside: dict[str, None] = {}  # keys that live as long as the leases
        for hold in self._open.values():
            for scope in hold.scopes:
                ids.setdefault(self._place_key(scope.subject), []).append(hold.id)
            for debit in hold.debits:
                balance, holds, leases = self._purse_keys(debit.purse)
                ids.setdefault(leases, []).append(hold.id)
                beside |= {balance: None, holds: None}
        if ids:
            body = json.dumps({"lease_s": LEASE_S, "ids": list(ids.values())})
            await self._store.script(scripts.RENEW, [*ids, *beside], [body])


def share(limits: Limits, replicas: int) -> Limits:
    """What one of `replicas` services may let in by itself: a part of each limit, at least one."""
    if replicas == 1:
        return limits
    parts = {each.name: getattr(limits, each.name) for each in fields(Limits) if each.init}
    return replace(limits, **{name: max(1, limit // replicas) for name, limit in parts.items() if limit is not None})


def _windows(prefix: str, scopes: Sequence[Scope], asked: Amounts) -> list[_Window]:
    return [
        _Window(
            f"{prefix}w:{scope.subject}:{dimension.name}",
            dimension,
            limit,
            min(asked.of(dimension.amount), limit),
            scope.kind,
        )
        for scope in scopes
        for dimension, limit in scope.limits.windows
    ]


def _places(limits: Limits) -> int:
    return _NO_PLACE_LIMIT if limits.concurrency is None else limits.concurrency


def _at(keys: list[str], key: str) -> int:
    """The place of a key among the script's keys, from 1."""
    keys.append(key)
    return len(keys)


def _standings(windows: Sequence[_Window], shown: Sequence[Sequence[Any]]) -> Standings:
    standings: Standings = {}
    for window, (used, full_in_s) in zip(windows, shown, strict=False):
        standing = Standing(window.limit, max(0, window.limit - int(used)), float(full_in_s))
        noted(standings, window.dimension.amount, standing)
    return standings


def _refuse(answer: dict[str, Any], hold: _Hold, standings: Standings) -> None:
    """Raise what the script refused."""
    refused, at = answer["refused"], int(answer.get("at", 1)) - 1
    if refused == "unknown":
        raise UnknownPurse([hold.debits[int(place) - 1] for place in answer["unknown"]])
    if refused == "place":
        scope = hold.scopes[at]
        error = over_concurrency(scope.limits.concurrency or 0, scope.kind)
    elif refused == "window":
        window, wait_s = hold.windows[at], float(answer["wait_s"])
        error = over_limit(window.limit, window.dimension.amount, window.dimension.unit, window.kind, wait_s)
    else:
        error = out_of_money(hold.debits[at].kind)
    error.headers.update(openai_headers(standings))
    raise error
