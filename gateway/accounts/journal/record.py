"""The two records of the journal: a call that ended, and a stream that runs.

Rules:
    - A record's id is its call's, unique over all services: whatever is read twice is counted once.
    - Money is integer micro-USD, times are unix milliseconds; a cost of None is a model without a price.
    - One line of JSON each; a line that was cut by a crash is no record.
Not here:
    - Files (segments, slots); the database (flush).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import orjson

from gateway.wire import json

NAME_MAX_CHARS = 100
LOST = "lost"
_CHARS_PER_TOKEN = 4


@dataclass  # not frozen, no slots: made and written for every call, at a third of the price
class Used:
    """What one call used and cost. `user_id` empty = a key of the configuration, which has no wallet."""

    id: str
    at_ms: int
    user_id: str
    key_id: str
    model: str
    provider: str
    outcome: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cost_usd_micros: int | None = None
    latency_ms: int = 0
    is_estimate: bool = False
    is_cached: bool = False
    request_id: str = ""  # what the caller was told
    is_charged: bool = False  # whether the user's wallet pays the cost

    def line(self) -> bytes:
        """As the journal holds it."""
        return _text(self) + b"\n"


@dataclass  # as above
class Running:
    """A stream that was promised to its caller: what is charged of it should this process die.

    `prompt_usd_micros` None = no price; `output_usd_per_million` is a decimal number as text, the group's ratio in it.
    """

    id: str
    at_ms: int
    user_id: str
    key_id: str
    model: str
    provider: str
    prompt_tokens: int
    prompt_usd_micros: int | None = None
    output_usd_per_million: str = "0"
    request_id: str = ""
    is_charged: bool = False

    def text(self) -> bytes:
        """As a slot holds it."""
        return _text(self)

    def lost(self, delivered_chars: int) -> Used:
        """The record of this stream when nobody settled it: what was delivered, estimated."""
        tokens = -(-delivered_chars // _CHARS_PER_TOKEN)
        cost = None
        if self.prompt_usd_micros is not None:
            made = Decimal(tokens) * Decimal(self.output_usd_per_million)
            cost = self.prompt_usd_micros + int(made.quantize(Decimal(1), rounding=ROUND_HALF_UP))
        return Used(
            self.id, self.at_ms, self.user_id, self.key_id, self.model, self.provider, LOST,
            self.prompt_tokens, tokens, cost_usd_micros=cost, is_estimate=True,
            request_id=self.request_id, is_charged=self.is_charged,
        )  # fmt: skip


Row = dict[str, Any]  # the members of a Used by name


def used_of(line: bytes) -> Used | None:
    """The record of a line; None for one that is no whole record."""
    record: Used | None = _read(Used, line)
    return record


def used_row_of(line: bytes) -> Row | None:
    """The members of the record of a line, all of them; None for one that is no whole record."""
    try:
        members: Row = orjson.loads(line)
        if members.keys() == _KNOWN[Used] and float not in map(type, members.values()):
            return members
    except (ValueError, AttributeError):
        pass
    used = used_of(line)  # of another version, or with an integer over 64 bits, or half a surrogate pair
    return None if used is None else row_of(used)


def running_of(text: bytes) -> Running | None:
    """The record of a slot; None for one that is no whole record."""
    record: Running | None = _read(Running, text)
    return record


def row_of(used: Used) -> Row:
    """Its members by name."""
    return {name: getattr(used, name) for name in _USED}


_USED = tuple(each.name for each in fields(Used))
_KNOWN = {kind: frozenset(each.name for each in fields(kind)) for kind in (Used, Running)}


def _text(record: Used | Running) -> bytes:
    try:
        return json.dumps(record)
    except TypeError:  # a lone surrogate
        return json.dumps(asdict(record))


def _read(kind: Any, text: bytes) -> Any:
    try:
        members = json.loads(text)
        if not members.keys() <= _KNOWN[kind]:
            members = {name: value for name, value in members.items() if name in _KNOWN[kind]}
        return kind(**members)
    except (ValueError, TypeError, AttributeError):
        return None
