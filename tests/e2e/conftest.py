"""One served gateway for all end-to-end tests: the real processes, shared; tests use model names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.served import Served, served

LAYER = {
    "process": {"drain_s": 2},
    "policies": {"retry": {"backoff_base_s": 0.02, "backoff_max_s": 0.1}},
    "observe": {"log_format": "json"},
}


@pytest.fixture(scope="session")
def gateway() -> Iterator[Served]:
    """The shared gateway: no limits, key `gateway.key`; a test that needs another layer serves its own."""
    with served(LAYER) as running:
        yield running
