"""Passwords: argon2id, never on the event loop, never more at a time than the machine can take.

Rules:
    - Parameters are OWASP's for argon2id with little memory: 19 MiB, 2 passes, 1 lane; a hash of others is renewed
      when its owner logs in.
    - Somebody unknown costs the same work as a wrong password.
    - At most `AT_ONCE` run and `WAITING_MAX` wait; more are OVERLOADED at once: a flood of logins holds up nobody else.
Not here:
    - How often somebody may try (throttle); what a password must look like (texts).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from gateway.core.errors import GatewayError, Kind

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

AT_ONCE, WAITING_MAX = 2, 64
_NOBODY = "a password that nobody has"


class Passwords:
    """Hashes and checks passwords; one object per process."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The argon2id hash, in its own text form."""
        return await self._alone(_hasher().hash, password)

    async def is_right(self, hashed: str | None, password: str) -> bool:
        """Whether it is the password of that hash; None is somebody unknown: the work is done all the same."""
        is_right = await self._alone(_verify, hashed, password)
        return is_right and hashed is not None

    @staticmethod
    def is_outdated(hashed: str) -> bool:
        """Whether it was made with other parameters."""
        return _hasher().check_needs_rehash(hashed)

    async def _alone(self, work: Callable[..., T], *args: str | None) -> T:
        if self._waiting >= WAITING_MAX:
            raise GatewayError(Kind.OVERLOADED, "Too many logins at once.", retry_after_s=1.0)
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _nobody() -> str:
    return _hasher().hash(_NOBODY)


def _verify(hashed: str | None, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
