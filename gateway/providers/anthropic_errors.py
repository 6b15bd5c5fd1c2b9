"""Failures in the words of Anthropic: error bodies, and error objects inside answers and streams.

Rules:
    - An answer is classified by status, then by the error's `type`, never by its message.
Source: Anthropic API version 2023-06-01.
Not here:
    - Reading error objects (wire.anthropic.errors); what is tried after an error (pipeline.attempts).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.errors import GatewayError
from gateway.providers.refusals import refusal
from gateway.providers.upstream import sendable
from gateway.wire import json
from gateway.wire.anthropic.errors import STATUSES, TYPES, error_of, read_error


def in_band_error(answer: object) -> GatewayError:
    """An error object where an answer or an event was expected: classified by its type."""
    type_, _ = error_of(answer)
    return classify(STATUSES.get(type_, 500), {}, json.dumps(answer))


def classify(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer that is not a success means."""
    type_, message = read_error(body)
    says_more = status >= 500 and type_ != TYPES[500]
    meant = STATUSES.get(type_, status) if says_more else status
    return refusal(meant, headers, words=message, cause=f"HTTP {meant} {sendable(type_, 100)}")
