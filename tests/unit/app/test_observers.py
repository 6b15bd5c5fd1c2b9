"""Routes as labels: those that exist by name, everything else together."""

from __future__ import annotations

import pytest

from gateway.app.observers import HttpMetrics
from gateway.frontend.observer import Observation
from gateway.frontend.routes import ROUTES
from gateway.observe.log import make_log
from gateway.observe.metrics import HTTP
from gateway.observe.tally import flush


def seen(route: str) -> Observation:
    """A request that was answered."""
    return Observation(
        request_id="r", route=route, method="GET", status=299, outcome="complete", error="", seconds=0.1,
        is_stream=False, ttft_s=None, chunks=0, received_bytes=0, sent_bytes=0, peer="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("route", "label"),
    [
        ("/v1/messages", "/v1/messages"),
        ("/v1beta/models/{model}:generateContent", "/v1beta/models/{model}:generateContent"),
        ("/auth/keys/{id}", "/auth/keys/{id}"),
        ("/api/token/{id}", "/api/token/{id}"),
        ("/stats", "/stats"),
        ("/v1/dashboard/billing/usage", "/v1/dashboard/billing/usage"),
        ("/made/up/by/somebody", "unknown"),
    ],
)
def test_a_route_is_a_label_only_if_it_exists(route: str, label: str) -> None:
    """Whatever a client asks for, the number of label sets stays bounded."""
    child = HTTP.labels(label, "GET", "299")
    before = child._value.get()
    HttpMetrics(make_log("error", "json", "frontend"), ROUTES)(seen(route))
    flush()
    assert child._value.get() == before + 1
