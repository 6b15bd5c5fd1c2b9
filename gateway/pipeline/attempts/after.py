"""What follows a failed attempt: the same deployment again, another one, or the end. Decisions only.

Rules:
    - Pure: the failure, the model's settings and the time decide; the draw and the purse are passed in.
    - A refused key or account: the next deployment. A prompt that is too long: only a deployment with a larger
      window. A filtered prompt: the end, unless the model lists providers for it. A rate limit: the next deployment
      when there is one. Silence or a slow first token: the next deployment, never the same. No place at
      a deployment (OVERLOADED): the next one.
    - A call that says how long it waits is refused when the fastest of all latest first contents, known of every
      candidate, took longer than it has.
    - A retry waits a full-jitter share of its backoff, or as long as the provider asked up to `retry_after_max_s`,
      and never past the deadline.
Not here:
    - Making the attempts (series.py).
"""

from __future__ import annotations

from gateway.config.catalogue import Deployment, Entry
from gateway.core.errors import GatewayError, Kind, Next
from gateway.routing.board import Board


def is_final(failure: GatewayError, entry: Entry) -> bool:
    """Whether no other attempt can mend this."""
    if failure.kind is Kind.CONTENT_FILTERED:
        return not entry.content_filter_fallback
    return failure.row.next is Next.STOP and failure.kind is not Kind.OVERLOADED


def may_follow(candidate: Deployment, failed: Deployment, failure: GatewayError, entry: Entry) -> bool:
    """Whether `candidate` can do better than `failed` did."""
    if failure.kind is Kind.CONTENT_FILTERED:
        return candidate.provider in entry.content_filter_fallback
    if failure.kind is Kind.CONTEXT_LENGTH_EXCEEDED:
        return _has_larger_window(candidate, failed)
    return True


def _has_larger_window(candidate: Deployment, failed: Deployment) -> bool:
    """Unknown sizes: another upstream model may be larger, the same one is not."""
    if candidate.context_window_tokens is None or failed.context_window_tokens is None:
        return candidate.upstream_model != failed.upstream_model
    return candidate.context_window_tokens > failed.context_window_tokens


def retry_wait_s(entry: Entry, failure: GatewayError, number: int, drawn: float, *, has_more: bool) -> float | None:
    """Seconds to wait before the same deployment is tried again; None = it is not.

    `number` attempts against it came before the failed one; `drawn` is in [0, 1); `has_more`: others follow it.
    """
    if failure.row.next is not Next.RETRY or number + 1 >= entry.attempts_max:
        return None
    if failure.kind is Kind.PROVIDER_RATE_LIMITED and has_more:
        return None
    wait_s = drawn * min(entry.backoff_max_s, entry.backoff_base_s * 2.0**number)
    if failure.retry_after_s is None:
        return wait_s
    return None if failure.retry_after_s > entry.retry_after_max_s else failure.retry_after_s + wait_s / 10


def too_late(allowed_s: float, deadline_min_s: float) -> GatewayError:
    """The refusal of a call that has no time for an answer."""
    text = f"The call allows {allowed_s:g} s, an answer needs at least {deadline_min_s:g} s (policies.deadline_min_s)."
    return GatewayError(Kind.DEADLINE_EXCEEDED, text)


def quickest_of(candidates: tuple[Deployment, ...], board: Board, now_s: float) -> float | None:
    """In how many seconds the fastest of them gave its first content lately; None when that of any is not known."""
    known = [board.quickest_s(each, now_s) for each in candidates]
    return min((each for each in known if each is not None), default=None) if None not in known else None


def hopeless(left_s: float, quickest_s: float) -> GatewayError:
    """The refusal of a call that ends before any deployment begins to answer."""
    text = f"The call allows {left_s:.3g} s more, and no answer of this model began in under {quickest_s:.3g} s lately."
    return GatewayError(Kind.DEADLINE_EXCEEDED, text, cause="no deployment is fast enough")


def rotated(candidates: tuple[Deployment, ...], failed: Deployment) -> tuple[Deployment, ...]:
    """The others first, from the one behind `failed` on; `failed` itself last."""
    at = candidates.index(failed) if failed in candidates else -1
    return (*candidates[at + 1 :], *candidates[: at + 1])
