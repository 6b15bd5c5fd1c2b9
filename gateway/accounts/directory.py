"""Whose a credential is that no configuration knows: cached, asked of the database within bounds, never guessed.

Rules:
    - A cached key is compared by the full digest of what was presented. It is believed for `key_cache_s`, and for
      `key_cache_stale_s` while the database cannot answer: an outage locks out nobody who was in.
    - "Cannot tell" is UNAVAILABLE, never INVALID_KEY. While the database is down it is asked once in RETRY_S, and no
      call of a cached key waits for that; before it is known to be down, none waits longer than PATIENCE_S (which alone
      does not make it down), and that of an unknown key no longer than `key_lookup_timeout_s`. A late answer still
      counts, for the next call.
    - A flood of wrong keys is cheap: what is no key is refused without asking, a wrong key again by its digest, and an
      address that tried too many unknown ones is RATE_LIMITED without asking.
    - A change made in this process is seen by the next call; an answer that was on its way is not kept.
    - One question per key is under way, at most QUESTIONS_MAX in all; who leaves does not take the answer from others.
Not here:
    - What the database knows (facts); keys of the configuration, which come first (keys).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from cachetools import LRUCache

from gateway.accounts.addresses import check_address, host_of
from gateway.accounts.facts import Facts
from gateway.accounts.keys import Identity, refused
from gateway.accounts.secrets_made import key_id_in
from gateway.accounts.throttle import Throttle
from gateway.accounts.tokens import Claims, is_token
from gateway.config.schema import Accounts
from gateway.core.clock import Clock
from gateway.core.errors import GatewayError, Kind

RETRY_S = 1.0
PATIENCE_S = 0.5  # how long a call of a key in cache waits to learn that nothing changed
WRONG_S = 30.0  # a wrong key is known as wrong for so long; a key made later has another digest
WRONG_MAX = 20_000
QUESTIONS_MAX = 256


class Source(Protocol):
    """Where facts come from."""

    @property
    def has_data(self) -> bool:
        """Whether there may be any key at all."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it has been opened, which takes its own time."""
        ...

    def read(self, subject: str) -> Awaitable[Facts | None]:
        """The facts of `key:ID` or `session:ID`; None when there is none. Raises GatewayError UNAVAILABLE."""
        ...

    def check_token(self, token: str) -> Claims:
        """What a token says. Raises GatewayError INVALID_KEY."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    facts: Facts
    read_at_s: float


class Directory:
    """Keys and sessions of the database, as calls ask for them."""

    def __init__(self, source: Source, settings: Callable[[], Accounts], clock: Clock) -> None:
        cache_max = settings().key_cache_max
        self._source = source
        self._settings = settings
        self._clock = clock
        self._known: LRUCache[str, _Known] = LRUCache(cache_max)
        self._tokens: LRUCache[str, Claims] = LRUCache(cache_max)
        self._wrong: LRUCache[str, float] = LRUCache(WRONG_MAX)
        self._questions: dict[str, asyncio.Task[Facts | None]] = {}
        self._addresses = Throttle()
        self._down_until_s = 0.0
        self._slow_until_s = 0.0  # for callers with a key in cache, who are not to wait; the others may
        self._changes = 0
        self.used_at_ms: dict[str, int] = {}  # keys used since somebody took this

    async def identify(self, credential: str, digest: str, peer: str) -> Identity:
        """Whose it is.

        Raises GatewayError INVALID_KEY, PERMISSION_DENIED, INSUFFICIENT_BALANCE, RATE_LIMITED, UNAVAILABLE.
        """
        now_s, now_ms = self._clock.monotonic(), int(self._clock.wall_s() * 1000)
        subject, claims = self._subject(credential, digest, now_s, now_ms)
        known = self._known.get(subject)
        if known is not None and _is_of(known.facts, digest, claims, now_ms):
            if now_s - known.read_at_s < self._settings().key_cache_s:
                return self._use(known.facts, peer, now_ms)
            facts = await self._renewed(subject, known, now_s)
        else:
            facts = await self._asked(subject, digest, peer, now_s)
        if facts is None or not _is_of(facts, digest, claims, now_ms):
            self._wrong[digest] = now_s + WRONG_S
            raise refused("unknown to the database, or a wrong secret")
        return self._use(facts, peer, now_ms)

    def _subject(self, credential: str, digest: str, now_s: float, now_ms: int) -> tuple[str, Claims | None]:
        """What the credential claims to be; refused at once when it can be nothing."""
        if digest in self._wrong and self._wrong[digest] > now_s:
            raise refused("a wrong key again")
        if not is_token(credential):
            key_id = key_id_in(credential)
            if key_id is None:
                raise refused("not the form of a key")
            return f"key:{key_id}", None
        claims = self._tokens.get(digest)
        if claims is None or claims.expires_at_s * 1000 <= now_ms:
            claims = self._tokens[digest] = self._source.check_token(credential)
        return f"session:{claims.session_id}", claims

    async def _renewed(self, subject: str, known: _Known, now_s: float) -> Facts | None:
        """The facts of somebody who was good: as they are now, or as they were while nobody can tell."""
        if now_s - known.read_at_s >= self._settings().key_cache_stale_s:
            return await self._question(subject, now_s)
        known_until_s = max(self._down_until_s, self._slow_until_s)
        if known_until_s and now_s < known_until_s:
            return known.facts
        try:
            question = self._ask(subject, now_s)
            if known_until_s:  # this one finds out
                self._slow_until_s = now_s + RETRY_S
                return known.facts
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(question)
        except TimeoutError:
            self._slow_until_s = self._clock.monotonic() + RETRY_S
        except GatewayError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
        return known.facts

    async def _asked(self, subject: str, digest: str, peer: str, now_s: float) -> Facts | None:
        """The facts of somebody unknown; who asks for too many that do not exist is not asked for any more."""
        host, per_minute = host_of(peer), self._settings().wrong_keys_per_minute
        if not self._source.has_data:
            return None
        wait_s = self._addresses.wait_s(host, per_minute, now_s)
        if wait_s:
            raise GatewayError(
                Kind.RATE_LIMITED, "Too many unknown keys from this address.", retry_after_s=wait_s, limit="requests"
            )
        facts = await self._question(subject, now_s)
        if facts is None or (facts.digests and not facts.has(digest, 0)):
            self._addresses.take(host, per_minute, now_s)  # at most QUESTIONS_MAX come before it is counted
        return facts

    async def _question(self, subject: str, now_s: float) -> Facts | None:
        question = self._ask(subject, now_s)
        try:
            async with asyncio.timeout(self._settings().key_lookup_timeout_s if self._source.is_open else None):
                return await asyncio.shield(question)
        except TimeoutError:
            self._down_until_s = self._clock.monotonic() + RETRY_S
            raise _cannot_tell() from None

    def _ask(self, subject: str, now_s: float) -> asyncio.Task[Facts | None]:
        """The question about this subject that is under way, or a new one. Raises GatewayError UNAVAILABLE."""
        if now_s < self._down_until_s:
            raise _cannot_tell()
        task = self._questions.get(subject)
        if task is None:
            if len(self._questions) >= QUESTIONS_MAX:
                raise _cannot_tell()
            if self._down_until_s:
                self._down_until_s = now_s + RETRY_S  # this one finds out, the others need not wait for it
            task = self._questions[subject] = asyncio.create_task(self._read(subject))
            task.add_done_callback(_retrieve)
        return task

    async def _read(self, subject: str) -> Facts | None:
        changes = self._changes
        try:
            facts = await self._source.read(subject)
        except GatewayError:
            self._down_until_s = self._clock.monotonic() + RETRY_S
            raise
        finally:
            del self._questions[subject]
        self._down_until_s = self._slow_until_s = 0.0
        if changes == self._changes:
            if facts is None:
                self._known.pop(subject, None)
            else:
                self._known[subject] = _Known(facts, self._clock.monotonic())
        return facts

    def _use(self, facts: Facts, peer: str, now_ms: int) -> Identity:
        identity = facts.use(now_ms)
        if identity.allowed_ips:
            check_address(peer, identity.allowed_ips)
        if not identity.is_session:
            self.used_at_ms[identity.key_id] = now_ms
        return identity

    def forget(self, subject: str) -> None:
        """A key or session changed: the next call asks."""
        self._changes += 1
        self._known.pop(subject, None)

    def forget_user(self, user_id: str) -> None:
        """A user changed: so did every key and session of theirs."""
        self._changes += 1
        for subject in [subject for subject, known in self._known.items() if known.facts.identity.user_id == user_id]:
            del self._known[subject]

    def forget_group(self, group: str) -> None:
        """A group changed: so did whoever is in it."""
        self._changes += 1
        for subject in [subject for subject, known in self._known.items() if known.facts.identity.group == group]:
            del self._known[subject]

    def take_used(self) -> dict[str, int]:
        """When which key was used since the last time, in unix milliseconds."""
        used, self.used_at_ms = self.used_at_ms, {}
        return used


def _is_of(facts: Facts, digest: str, claims: Claims | None, now_ms: int) -> bool:
    """Whether the presented credential is one of these facts."""
    if claims is None:
        return facts.has(digest, now_ms)
    is_recent = claims.issued_at_s * 1000 >= facts.tokens_from_ms // 1000 * 1000
    return claims.user_id == facts.identity.user_id and is_recent


def _retrieve(task: asyncio.Task[Facts | None]) -> None:
    """A failure that nobody waits for any more is not reported as forgotten."""
    if not task.cancelled():
        task.exception()


def _cannot_tell() -> GatewayError:
    return GatewayError(
        Kind.UNAVAILABLE,
        "The account database cannot answer now, and this key is not known here.",
        code="store_unavailable",
        retry_after_s=RETRY_S,
    )
