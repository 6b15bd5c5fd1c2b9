"""Prometheus metrics of calls, named after the OpenTelemetry GenAI conventions where a name exists.

Rules:
    - Label values come from the configuration or from closed sets; anything else is `other`. The number
      of distinct label sets is bounded.
    - With `PROMETHEUS_MULTIPROC_DIR` set (the supervisor sets it before a process starts), all processes
      of one machine add up in one scrape.
    - A failing metric never fails a call. What is counted per call is gathered and added once a second.
Source: OpenTelemetry semantic conventions for generative AI (dots become underscores, units a suffix).
Not here:
    - When to count (pipeline.settle, frontend, link): they call the verbs below.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.observe.tally import Count, Tally, count_of, failures, flush, not_failing, tally_of

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # Processes are started by exec and never fork, so the pid needs no system call per increment.
    _PID = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: _PID)

_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_PER_TOKEN = (0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304)
_CALL = ("gen_ai_operation_name", "gen_ai_request_model", "gen_ai_provider_name")

DURATION = Histogram("gen_ai_server_request_duration_seconds", "Whole call.", (*_CALL, "error_type"), buckets=_DURATION)
FIRST_TOKEN = Histogram(
    "gen_ai_server_time_to_first_token_seconds", "Until a stream's first content.", _CALL, buckets=_FIRST_TOKEN
)
PER_TOKEN = Histogram(
    "gen_ai_server_time_per_output_token_seconds", "Between output chunks, mean of a stream.", _CALL, buckets=_PER_TOKEN
)
TOKENS = Histogram("gen_ai_client_token_usage", "Tokens per call.", (*_CALL, "gen_ai_token_type"), buckets=_TOKENS)
CALLS = Counter("gateway_calls_total", "Calls by outcome.", ("protocol", "method", "outcome"))
COST = Counter("gateway_cost_usd_micros_total", "Cost by configured prices, micro-USD.", ("model", "provider"))
ATTEMPTS = Counter("gateway_attempts_total", "Tries against a deployment.", ("provider", "outcome"))
RESCUES = Counter("gateway_rescues_total", "Attempts for a broken stream.", ("means", "outcome"))
HEDGES = Counter("gateway_hedges_total", "First tokens that were late enough for a second attempt.", ("outcome",))
LIMITED = Counter("gateway_rate_limited_total", "Calls refused by a limit of the caller.", ("limit",))
MIRRORED = Counter("gateway_mirrored_calls_total", "Copies of calls to another model.", ("model", "outcome"))
BREAKERS = Gauge(
    "gateway_breaker_state",
    "Breaker of a deployment: 0 closed, 1 half-open, 2 open.",
    ("deployment",),
    multiprocess_mode="livemax",
)
LIMITS = Gauge(
    "gateway_concurrency_limit_calls",
    "Places at a deployment with routing.concurrency.",
    ("deployment",),
    multiprocess_mode="livemax",
)
WAITING = Gauge(
    "gateway_concurrency_waiting_calls", "Calls that wait for a place.", ("deployment",), multiprocess_mode="livesum"
)
SHED = Counter("gateway_shed_calls_total", "Attempts that found no place.", ("deployment", "priority"))
OPENINGS = Counter("gateway_breaker_openings_total", "Times a deployment's breaker opened.", ("deployment",))
IN_FLIGHT = Gauge("gateway_calls_in_flight", "Calls that run now.", multiprocess_mode="livesum")
RESERVATIONS = Gauge("gateway_reservations_open", "Reservations not yet settled.", multiprocess_mode="livesum")
REPLIES = Gauge("gateway_upstream_replies_open", "Provider responses not yet closed.", multiprocess_mode="livesum")
CONNECTIONS = Gauge("gateway_http_connections_open", "Open connections of HTTP clients.", multiprocess_mode="livesum")
BODIES = Gauge(
    "gateway_http_bodies_held_bytes", "Request bodies held until their answer begins.", multiprocess_mode="livesum"
)
TASKS = Gauge("gateway_asyncio_tasks", "Tasks of the event loop.", ("role",), multiprocess_mode="livesum")
LINK_BATCHES = Counter("gateway_link_batches_total", "Batches written to the link.", ("side",))
LINK_FRAMES = Counter("gateway_link_frames_total", "Frames written to the link.", ("side",))
LINK_STALLS = Counter("gateway_link_credit_stalls_total", "Times a call waited for its reader.", ("side",))
LINK_QUEUE = Gauge(
    "gateway_link_queue_calls",
    "Calls that waited for room on the link at its last full moment.",
    ("side",),
    multiprocess_mode="livesum",
)
LINK_LINKS = Gauge("gateway_link_links", "Links that are up.", ("side",), multiprocess_mode="livesum")
HTTP = Counter("gateway_http_requests_total", "HTTP requests.", ("route", "method", "status"))
HTTP_SECONDS = Histogram("gateway_http_request_duration_seconds", "HTTP requests.", ("route",), buckets=_DURATION)
LOOP_LAG = Gauge("gateway_event_loop_lag_seconds", "Latest event-loop lag.", ("role",), multiprocess_mode="livemax")
GENERATION = Gauge("gateway_config_generation", "Configuration in force.", (), multiprocess_mode="livemax")
RELOADS = Counter("gateway_config_reloads_total", "Reloads by outcome.", ("outcome",))
STORE_OPERATIONS = Counter(
    "gateway_store_operations_total", "Questions to the shared store, also those not sent.", ("operation", "outcome")
)
STORE_SECONDS = Histogram(
    "gateway_store_operation_seconds", "Questions sent to the shared store.", ("operation",), buckets=_FIRST_TOKEN
)
STORE_UP = Gauge("gateway_store_up", "Whether the shared store answers.", multiprocess_mode="livemin")
CACHE = Counter("gateway_cache_calls_total", "Calls of models that have a cache, by what it did.", ("model", "result"))
CACHE_BYTES = Gauge("gateway_cache_bytes", "Answers kept in memory.", multiprocess_mode="livesum")
CACHE_ENTRIES = Gauge("gateway_cache_entries", "Answers kept in memory.", multiprocess_mode="livesum")
LOG_DROPPED = Gauge(
    "gateway_log_lines_dropped",
    "Log lines nobody took in time, of the processes that run.",
    multiprocess_mode="livesum",
)
JOURNAL_DROPPED = Gauge(
    "gateway_journal_dropped_bytes",
    "Usage that the journal's disk did not take in time, of the processes that run.",
    multiprocess_mode="livesum",
)
FAILURES = Gauge(
    "gateway_telemetry_failures",
    "Times something could not be counted or logged, of the processes that run.",
    multiprocess_mode="livesum",
)


class CallLabels(NamedTuple):
    """What every metric of a call is labelled with; each from the configuration or a closed set."""

    operation: str
    model: str
    provider: str


class StoreMetrics:
    """What the shared store was asked, and whether it answers."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], Count] = {}
        self._seconds: dict[str, Tally] = {}

    def asked(self, operation: str, outcome: str, seconds: float | None = None) -> None:
        """One question more: ok, timeout, error, or refused without asking, which took no time."""
        with not_failing():
            child = self._asked.get((operation, outcome))
            if child is None:
                child = self._asked[operation, outcome] = count_of(STORE_OPERATIONS, operation, outcome)
            child.inc()
            if seconds is not None:
                tally = self._seconds.get(operation)
                if tally is None:
                    tally = self._seconds[operation] = tally_of(STORE_SECONDS, operation)
                tally.observe(seconds)

    def is_up(self, *, now: bool) -> None:
        """Whether it answers now."""
        with not_failing():
            STORE_UP.set(now)


class Told(NamedTuple):
    """The metrics of one label set of calls."""

    labels: CallLabels
    duration: Tally
    first_token: Tally
    per_token: Tally
    tokens_in: Tally
    tokens_out: Tally
    cost: Count

    def ended(self, error: str, seconds: float, first_token_s: float | None, per_token_s: float | None) -> None:
        """A call ended; `error` is the kind's name in lower case, empty for none."""
        if error:
            DURATION.labels(*self.labels, error).observe(seconds)
        else:
            self.duration.observe(seconds)
        if first_token_s is not None:
            self.first_token.observe(first_token_s)
        if per_token_s is not None:
            self.per_token.observe(per_token_s)

    def used(self, prompt_tokens: int, completion_tokens: int, cost_usd_micros: int | None) -> None:
        """What a call used."""
        self.tokens_in.observe(prompt_tokens)
        if completion_tokens:
            self.tokens_out.observe(completion_tokens)
        if cost_usd_micros:
            self.cost.inc(cost_usd_micros)


class CallMetrics:
    """The metrics of calls, with children looked up once per label set."""

    def __init__(self, label_sets_max: int = 2000) -> None:
        self._max = label_sets_max
        self._told: dict[tuple[str, str, str], Told] = {}  # by CallLabels
        self._calls: dict[tuple[str, str, str], Count] = {}
        self._tries: dict[tuple[str, str], Count] = {}

    def counted(self, protocol: str, method: str, outcome: str) -> None:
        """One call more with that outcome (`complete`, or an error kind's name in lower case)."""
        key = (protocol, method, outcome)
        child = self._calls.get(key)
        if child is None:
            child = self._calls[key] = count_of(CALLS, *key)
        child.inc()

    def limited(self, limit: str) -> None:
        """One call more refused by that limit of its caller: requests, tokens or concurrency."""
        LIMITED.labels(limit).inc()

    def mirrored(self, model: str, outcome: str) -> None:
        """One copy of a call more to a model of the configuration."""
        with not_failing():
            MIRRORED.labels(model, outcome).inc()

    def tried(self, provider: str, outcome: str) -> None:
        """One attempt more against a provider of the configuration."""
        with not_failing():
            child = self._tries.get((provider, outcome))
            if child is None:
                child = self._tries[provider, outcome] = count_of(ATTEMPTS, provider, outcome)
            child.inc()

    def rescued(self, means: str, outcome: str) -> None:
        """One attempt more to rescue a stream by this means of the configuration."""
        RESCUES.labels(means, outcome).inc()

    def hedged(self, outcome: str) -> None:
        """One late first token more: won or lost by the second attempt, or no second attempt was allowed (denied)."""
        HEDGES.labels(outcome).inc()

    def of(self, operation: str, model: str, provider: str) -> Told:
        """The metrics of these labels; beyond the bound, of `other` models and providers."""
        return self._told.get((operation, model, provider)) or self._make(CallLabels(operation, model, provider))

    def _make(self, labels: CallLabels) -> Told:
        if len(self._told) >= self._max:
            labels = CallLabels(labels.operation, "other", "other")
            if labels in self._told:
                return self._told[labels]
        made = self._told[labels] = Told(
            labels,
            tally_of(DURATION, *labels, ""),
            tally_of(FIRST_TOKEN, *labels),
            tally_of(PER_TOKEN, *labels),
            tally_of(TOKENS, *labels, "input"),
            tally_of(TOKENS, *labels, "output"),
            count_of(COST, labels.model, labels.provider),
        )
        return made


def exposition() -> bytes:
    """Everything, in the Prometheus text format; of all processes under a supervisor."""
    flush()
    with not_failing():
        FAILURES.set(failures.count)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
