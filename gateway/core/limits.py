"""How much somebody may use: the record that keys, users, groups and models carry and quotas enforce.

Rules:
    - None = no limit of that dimension.
    - A dimension is an amount (requests, tokens, input or output tokens) in a window (minute, day); the
      number of calls at a time has no window.
    - A `Scope` is whom a limit is counted for; a call stands in several at once.
Not here:
    - Counting (quota); where limits are declared (configuration, accounts).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import NamedTuple

MINUTE_S = 60
DAY_S = 86_400


class Dimension(NamedTuple):
    """What is counted, and over how long: use per grain (seconds) over the last `span_s`."""

    name: str
    amount: str  # requests, tokens, input_tokens, output_tokens
    span_s: int
    grain_s: int

    @property
    def unit(self) -> str:
        """For messages: `requests per minute`."""
        return f"{self.amount.replace('_', ' ')} per {'minute' if self.span_s == MINUTE_S else 'day'}"


def _dimensions() -> dict[str, Dimension]:
    amounts = ("requests", "tokens", "input_tokens", "output_tokens")
    spans = (("minute", MINUTE_S, 1), ("day", DAY_S, 600))
    made = [
        Dimension(f"{what}_per_{span}", what, span_s, grain_s) for what in amounts for span, span_s, grain_s in spans
    ]
    return {dimension.name: dimension for dimension in made}


DIMENSIONS = _dimensions()


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one subject; None = no limit. `windows` has those of a window that are set."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    input_tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    input_tokens_per_day: int | None = None
    output_tokens_per_day: int | None = None
    windows: tuple[tuple[Dimension, int], ...] = field(init=False, compare=False, repr=False)
    is_limited: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        set_ = [(dimension, getattr(self, name)) for name, dimension in DIMENSIONS.items()]
        windows = tuple((dimension, limit) for dimension, limit in set_ if limit is not None)
        object.__setattr__(self, "windows", windows)
        object.__setattr__(self, "is_limited", bool(windows) or self.concurrency is not None)


LIMIT_NAMES = tuple(each.name for each in fields(Limits) if each.init)


class Scope(NamedTuple):
    """Whom limits are counted for. `subject` is unique over all kinds; `kind` is for messages: key, user, model."""

    subject: str
    limits: Limits
    kind: str = "key"


class Debit(NamedTuple):
    """Whose money a call may take: `purse` is unique over all kinds; `kind` is `wallet` or `budget`.

    With `trust_factor` a purse that has more than so many times what the call may cost is not held, only charged.
    """

    purse: str
    kind: str = "wallet"
    trust_factor: int = 0  # 0 = always held


class Amounts(NamedTuple):
    """What one call takes, estimated before it and known after it. A call is one request."""

    input_tokens: int
    output_tokens: int
    usd_micros: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.input_tokens + self.output_tokens

    def of(self, amount: str) -> int:
        """How much of what a dimension counts."""
        return 1 if amount == "requests" else int(getattr(self, amount))
