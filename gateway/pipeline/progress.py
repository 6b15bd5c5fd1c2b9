"""What one call has done so far: the record its end is settled and logged from.

Rules:
    - One `Progress` per call, changed only by the stages of that call, read once by settle.
    - Memory is constant: tries are bounded by the plan, text is counted and not kept.
Not here:
    - The stages themselves (run, attempt, settle).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter
from typing import NamedTuple

from gateway.accounts.journal.slots import Meter
from gateway.accounts.keys import Identity
from gateway.config.catalogue import Deployment, Entry
from gateway.core.errors import GatewayError
from gateway.pipeline.counting import Counting
from gateway.pipeline.shape import NO_SHAPE, Shape
from gateway.routing.plan import Plan
from gateway.wire.pb import types_pb2


class End(StrEnum):
    """How a call ended. Only COMPLETE may be shown as success."""

    COMPLETE = "complete"
    CUT = "cut"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Try:
    """One attempt: against which deployment, how it went, how long it took (seconds).

    `kind` says why it was made: empty (the first, a retry or a fallback), `hedge`, or the means of a rescue. `usage` is
    what the provider reported for it, which it may bill whether or not the caller got the answer.
    """

    deployment: Deployment
    started_s: float
    kind: str = ""
    outcome: str = ""
    cause: str = ""
    seconds: float = 0.0
    usage: types_pb2.Usage | None = None
    output_chars: int = 0
    chunks: int = 0
    was_sent: bool = False  # the request was on its way to the provider

    def end(self, outcome: str, cause: str = "") -> None:
        """The attempt ended."""
        self.outcome, self.cause, self.seconds = outcome, cause, perf_counter() - self.started_s

    def as_record(self) -> dict[str, object]:
        """For the log."""
        record: dict[str, object] = {
            "deployment": self.deployment.id, "outcome": self.outcome, "ms": round(self.seconds * 1000, 1)
        }  # fmt: skip
        if self.kind:
            record["kind"] = self.kind
        if self.usage is not None:
            record["prompt_tokens"] = self.usage.prompt_tokens
            record["completion_tokens"] = self.usage.completion_tokens
        return {**record, "cause": self.cause} if self.cause else record


class Settled(NamedTuple):
    """What a call came to. `usage` is the provider's or ours; the numbers beside it are what is charged and told."""

    usage: types_pb2.Usage
    prompt_tokens: int
    completion_tokens: int
    is_estimate: bool
    cost_usd_micros: int | None
    outcome: str
    seconds: float


@dataclass(slots=True)
class Progress:
    """See the module's rules."""

    started_s: float = field(default_factory=perf_counter)
    request_id: str = ""
    protocol: str = ""
    identity: Identity | None = None
    entry: Entry | None = None
    model: str = ""
    plan: Plan | None = None
    tries: list[Try] = field(default_factory=list)
    is_batch: bool = False  # it may wait behind others for a place
    is_committed: bool = False
    is_held: bool = False  # the answer is given when it is complete, not before
    first_content_s: float | None = None
    chunks: int = 0
    output_chars: int = 0  # kept while a stream runs, too
    call_id: str = ""  # in the journal
    meter: Meter | None = None  # where the journal has what was delivered
    shape: Shape = NO_SHAPE
    usage: types_pb2.Usage | None = None
    counting: Counting | None = None  # None = the model leaves counting to its providers
    left_out: tuple[str, ...] = ()  # members the provider's format had no place for
    cache: str = ""  # hit, shared, miss; empty = none was asked
    mode_asked: str = ""  # of a model whose price depends on it: what the request says (core.modes)
    mode: str | None = None  # what its answer said first, else what was asked of its provider; None = nobody knows
    is_free: bool = False  # what was used is settled elsewhere: by the call whose answer this one was given, too
    end: End = End.ERROR
    is_whole: bool = False  # the answer was read to its end although the caller had left
    error: GatewayError | None = None

    @property
    def outcome(self) -> str:
        """How the call ended, in one word: complete, cancelled, or the failure's kind."""
        return self.error.kind.name.lower() if self.error else self.end

    @property
    def cause(self) -> str:
        """What the log says of a failure beside its message."""
        return self.error.cause if self.error else ""

    @property
    def deployment(self) -> Deployment | None:
        """The deployment of the last try: where one answered, that one."""
        return self.tries[-1].deployment if self.tries else None

    def begin_try(self, deployment: Deployment, kind: str = "") -> Try:
        """A new attempt begins."""
        attempt = Try(deployment, perf_counter(), kind)
        self.tries.append(attempt)
        return attempt

    def delivers(self, chars: int) -> None:
        """So much text was or is about to be given to the caller."""
        self.output_chars = chars
        if self.meter is not None:
            self.meter(chars)

    def commit(self) -> None:
        """The first content arrived and is about to be forwarded."""
        self.is_committed = True
        self.first_content_s = perf_counter() - self.started_s
