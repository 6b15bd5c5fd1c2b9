"""docs/operations.md names every metric with its labels, and no other.

Rules: read from the objects that are served, so that the page cannot promise what is not there.
Not here: what the metrics count (tests/e2e, tests/unit/observe).
"""

from __future__ import annotations

import re

from prometheus_client.metrics import MetricWrapperBase

from gateway.observe import metrics
from tests.conftest import ROOT

ROW = re.compile(r"^\| `((?:gateway|gen_ai)_[a-z_]+)` \|(.*)\|$", re.MULTILINE)
CALL = ("gen_ai_operation_name", "gen_ai_request_model", "gen_ai_provider_name")


def documented() -> dict[str, tuple[str, ...]]:
    """Name to labels, as the page has it."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    found = {}
    for name, cell in ROW.findall(text):
        more = tuple(re.findall(r"`([a-z_]+)`", cell))
        found[name] = (*CALL, *more) if "CALL" in cell else more
    return found


def served() -> dict[str, tuple[str, ...]]:
    """Name to labels, as `/metrics` shows it."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = next(iter(metric.describe())).name
            found[name + "_total" * (metric._type == "counter")] = tuple(metric._labelnames)
    return found


def test_the_page_names_every_metric_with_its_labels() -> None:
    """What an operator can read about is what a scrape shows, label for label."""
    assert documented() == served()
