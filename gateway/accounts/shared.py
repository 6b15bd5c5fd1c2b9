"""What every part of the accounts shares: the database, the time, the digests, and who asks.

Rules:
    - Each change and its audit entry are one transaction.
Not here:
    - The parts themselves (users, api_keys, groups, wallets, codes); what calls ask (directory).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.accounts.directory import Directory
from gateway.accounts.failures import Failures
from gateway.accounts.keys import Digester
from gateway.accounts.passwords import Passwords
from gateway.accounts.texts import wrong
from gateway.accounts.tokens import Tokens
from gateway.config.schema import Config
from gateway.core.clock import Clock
from gateway.store.sql.database import Database

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")
PAGE, PAGE_MAX = 50, 500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, for the audit log: `user:ID`, `key:ID` or `system`; from where, in which request, and
    which generation of the configuration let them.
    """

    name: str
    peer: str = ""
    request_id: str = ""
    generation: int | None = None


SYSTEM = Actor("system")


async def _nobody(_purse: str, _usd_micros: int, _entry: int) -> None:
    """Nobody counts purses."""


async def _unknown(_purse: str) -> tuple[int, int] | None:
    """Nobody counts purses."""
    return None


@dataclass(slots=True)
class Shared:
    """See the module's sentence. `tokens` and `config` give what is in force now."""

    database: Database
    clock: Clock
    digester: Digester
    config: Callable[[], Config]
    tokens: Callable[[], Tokens]
    directory: Directory
    failures: Failures
    passwords: Passwords = field(default_factory=Passwords)
    moved: Callable[[str, int, int], Awaitable[None]] = _nobody  # told of every change of a purse beside calls
    live: Callable[[str], Awaitable[tuple[int, int] | None]] = _unknown  # (balance, held) of a purse as calls see it

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.clock.wall_s() * 1000)

    async def note(
        self,
        connection: AsyncConnection,
        who: Actor,
        action: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an audit entry in the transaction of the change. `details` hold no secret."""
        from sqlalchemy import insert

        from gateway.store.sql.tables import audit_log

        entry = {
            "at_ms": self.now_ms(), "actor": who.name[:128], "action": action, "subject": subject[:128],
            "details": dict(details or {}), "peer": who.peer[:128], "request_id": who.request_id[:128],
            "generation": who.generation,
        }  # fmt: skip
        await connection.execute(insert(audit_log).values(**entry))


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of many; `next_token` is empty on the last page."""

    items: Sequence[T]
    next_token: str = ""


def page_size(asked: int) -> int:
    """How many items a page has. Raises GatewayError INVALID_REQUEST."""
    if not 0 <= asked <= PAGE_MAX:
        raise wrong("page_size", f"must be between 1 and {PAGE_MAX}; 0 means {PAGE}")
    return asked or PAGE


def make_token(after: str) -> str:
    """A token that continues behind `after`."""
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def read_token(token: str) -> str:
    """What a token continues behind; empty for the first page. Raises GatewayError INVALID_REQUEST."""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        raise wrong("page_token", "is not a token of an earlier page") from None


def page_of(rows: Sequence[T], size: int, after: Callable[[T], str]) -> Page[T]:
    """A page from up to `size` + 1 rows."""
    shown = rows[:size]
    return Page(shown, make_token(after(shown[-1])) if len(rows) > size else "")
