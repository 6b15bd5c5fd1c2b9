"""Every fault a provider can have, over all four ways of calling: the invariants, and which kind it is.

Rules:
    - A row says what a whole answer and what a stream become; a new fault is a new row.
    - Whatever the fault: bounded time, an explicit end, no success after an error, everything settled.
    - Of a failed stream the two protocols may deliver different amounts: a gRPC client drops what it did not read
      yet when the status is not OK. What they deliver is the same text.
    - With a fallback, what happens before the first content is rescued; afterwards the row's own end stands.
Not here: what the official SDKs make of it (tests.e2e); faults of the caller (test_client_leaves).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.core.errors import TABLE, Kind
from gateway.observe.metrics import CALLS
from gateway.observe.tally import flush
from gateway.simulator.behaviour import FAILOVER_BENCH
from gateway.simulator.server import Running, serve
from tests.chaos.callers import WAYS, Callers, Ending, callers, gather
from tests.chaos.settled import settled
from tests.support.place import Layer
from tests.support.simulated import unique
from tests.support.single import InProcess, single

CLOCKS = {
    "patient": {},
    "hasty": {"headers_s": 1.2, "first_token_s": 1.5, "idle_s": 1.2},
    "watchful": {"idle_s": 1.2},
}
"""Of the provider that a row asks: short ones only where it waits, so that no other row is about time."""
OK = None
LATE, LOST, CUT, BAD = Kind.PROVIDER_TIMEOUT, Kind.PROVIDER_ERROR, Kind.STREAM_CUT, Kind.PROVIDER_INVALID


@dataclass(frozen=True, slots=True)
class Row:
    """A simulator's name; what a whole answer and a stream end as (None: complete).

    `is_early`: in a stream it happens before the first content; others have a pace, so that content is there first.
    `is_final`: no other deployment is asked.
    """

    model: str
    whole: Kind | None
    stream: Kind | None
    is_early: bool = True
    is_final: bool = False

    @property
    def clocks(self) -> str:
        """A name of CLOCKS."""
        if LATE not in (self.whole, self.stream) or self.model.startswith("status"):
            return "patient"
        return "hasty" if self.is_early else "watchful"


ROWS = (
    # FailoverBench, clocks scaled down
    Row("s01", Kind.PROVIDER_RATE_LIMITED, Kind.PROVIDER_RATE_LIMITED),
    Row("s02", Kind.PROVIDER_RATE_LIMITED, Kind.PROVIDER_RATE_LIMITED),
    Row("s03", OK, OK),
    Row("s04", LOST, LOST),
    Row("s05", LOST, LOST),
    Row("s06", LATE, LATE),
    Row("s07-scale-15", LATE, LATE),
    Row("s08-pace-2", CUT, CUT, is_early=False),
    Row("s09-scale-10", LATE, LATE, is_early=False),
    Row("s10-pace-2", BAD, BAD, is_early=False),
    Row("s11", OK, OK),
    Row("s12", Kind.CONTEXT_LENGTH_EXCEEDED, Kind.CONTEXT_LENGTH_EXCEEDED),
    Row("s13", Kind.CONTENT_FILTERED, Kind.CONTENT_FILTERED, is_final=True),
    Row("s14-pace-2", CUT, CUT, is_early=False),
    Row("s15", LOST, LOST),
    Row("s16", LOST, LOST),
    # connections
    Row("cut-before-headers", LOST, LOST),
    Row("cut-0", CUT, CUT),
    Row("reset-3-pace-20", CUT, CUT, is_early=False),
    Row("badchunk-2-pace-20", CUT, CUT, is_early=False),
    Row("garbage", LOST, LOST),
    Row("hangup", OK, OK),
    Row("close", OK, OK),
    Row("slow-headers-3000", LATE, LATE),
    # answers
    Row("redirect", LOST, LOST),
    Row("html", BAD, BAD),
    Row("status-401", Kind.PROVIDER_AUTH, Kind.PROVIDER_AUTH),
    Row("status-404", Kind.MODEL_NOT_FOUND, Kind.MODEL_NOT_FOUND),
    Row("status-408", LATE, LATE),
    Row("status-418", Kind.PROVIDER_REFUSED, Kind.PROVIDER_REFUSED),
    Row("status-599", LOST, LOST),
    Row("error-0", OK, LOST),
    Row("error-3-pace-20", OK, LOST, is_early=False),
    Row("malformed-1", BAD, BAD),
    Row("nan", BAD, BAD),
    Row("badutf8", BAD, BAD),
    Row("huge-chunk", OK, BAD),
    Row("huge-body-2", BAD, OK),
    Row("empty", OK, OK),
    # bytes that are right, written in odd ways
    Row("bytes-1", OK, OK),
    Row("crlf", OK, OK),
    Row("cr", OK, OK),
    Row("bom", OK, OK),
    Row("comments-first-300", OK, OK),
    Row("nospace", OK, OK),
    Row("multiline", OK, OK),
    Row("gzip", OK, OK),
    Row("prelude", OK, OK),
    Row("usage-each", OK, OK),
    Row("nousage", OK, OK),
    Row("extra", OK, OK),
)


def layer_of(simulator: Running) -> Layer:
    """Models that take the simulator's names after a slash: `alone-CLOCKS/`, and `spared-CLOCKS/` with a fallback."""
    provider = {"dialect": "openai", "base_url": f"{simulator.url}/v1", "auth": "none", "is_local": True}
    spare = {"provider": "spare", "upstream_model": "sim-chunks-3-tag-spare"}
    return {
        "observe": {"log_level": "error"},
        "simulator": {"enabled": "off"},
        "policies": {
            "breaker": {"is_enabled": False},  # every row is to reach its deployment
            "retry": {
                "attempts_max": 2,
                "backoff_base_s": 0.01,
                "backoff_max_s": 0.02,
                "retry_after_max_s": 0.1,
                "budget_percent": 1000,
            },
        },
        "providers": {
            **{
                name: {**provider, "timeouts": clocks, "response_max_bytes": 1 << 20} for name, clocks in CLOCKS.items()
            },
            "spare": provider,
        },
        "models": {
            f"{route}-{name}": {"names": [f"{route}-{name}/*"], "candidates": [{"provider": name}, *others]}
            for route, others in (("alone", []), ("spared", [spare]))
            for name in CLOCKS
        },
    }


@dataclass(slots=True)
class Place:
    """A gateway in front of a simulator, and its callers."""

    gateway: InProcess
    callers: Callers
    simulator: Running


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    """One gateway for all rows."""
    simulator = await serve()
    try:
        async with single(layer_of(simulator)) as gateway, callers(gateway) as made:
            yield Place(gateway, made, simulator)
    finally:
        await simulator.stop()


def counted() -> float:
    """Calls that were settled, as the metrics count them."""
    flush()
    return sum(s.value for family in CALLS.collect() for s in family.samples if s.name == "gateway_calls_total")


async def ask_all(place: Place, route: str, row: Row) -> list[Ending]:
    """One call of each way, each with counters of its own at the simulator; all invariants are asserted."""
    settled_before = counted()
    endings = await gather(
        *[place.callers.ask(way, f"{route}-{row.clocks}/{unique(f'sim-{row.model}')}") for way in WAYS]
    )
    for way, ending in zip(WAYS, endings, strict=True):
        assert not ending.faults, (way, ending)
        assert ending.state in ("complete", "error"), (way, ending)
        assert ending.has_details, (way, ending)
        assert (ending.state == "error") == bool(ending.kind), (way, ending)
    await settled(place.gateway)
    assert counted() - settled_before == len(WAYS), "admitted is not settled"
    return endings


def assert_kind(way: str, ending: Ending, kind: Kind | None) -> None:
    """The end is of that kind, in the words of its protocol; None is a whole answer."""
    if kind is None:
        assert ending.is_complete, (way, ending)
        return
    assert ending.kind == (kind.name if way in ("unary", "stream") else TABLE[kind].openai_code), (way, ending)
    if way in ("unary", "stream"):
        assert ending.status == TABLE[kind].status.name, (way, ending)


def end_of(row: Row, way: str) -> Kind | None:
    """What the row says of that way."""
    return row.stream if way in ("sse", "stream") else row.whole


@pytest.mark.parametrize("row", ROWS, ids=[row.model for row in ROWS])
async def test_alone(place: Place, row: Row) -> None:
    """One deployment: each way ends as the row says, and both protocols agree."""
    endings = await ask_all(place, "alone", row)
    for way, ending in zip(WAYS, endings, strict=True):
        assert_kind(way, ending, end_of(row, way))
    over_http, over_grpc = endings[1].texts, endings[3].texts
    shorter = min(len(over_http), len(over_grpc)) if row.stream is not None else len(over_http)
    assert over_http[:shorter] == over_grpc[:shorter], "the two streams delivered different text"
    assert not place.simulator.observed.redirects_followed


@pytest.mark.parametrize("row", ROWS, ids=[row.model for row in ROWS])
async def test_with_a_fallback(place: Place, row: Row) -> None:
    """A second deployment rescues what fails before its first content, and nothing after it."""
    endings = await ask_all(place, "spared", row)
    for way, ending in zip(WAYS, endings, strict=True):
        kind = end_of(row, way)
        is_rescued = kind is not None and not row.is_final and (way in ("json", "unary") or row.is_early)
        assert_kind(way, ending, None if is_rescued else kind)
        if is_rescued:
            assert "".join(ending.texts) == "You said: hi", (way, ending)
            if "x-gateway-provider" in ending.headers:
                assert ending.headers["x-gateway-provider"] == "spare", (way, ending)


def test_every_bench_fault_has_a_row() -> None:
    """The rows hold all sixteen faults of FailoverBench."""
    assert set(FAILOVER_BENCH) <= {row.model.split("-")[0] for row in ROWS}
