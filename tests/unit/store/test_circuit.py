"""The circuit of a store: one failure opens it, one answer closes it, waits double up to their limit."""

from __future__ import annotations

import pytest

from gateway.store.circuit import Circuit


def test_one_failure_opens_and_one_answer_closes() -> None:
    """Only the first failure of an outage is news; the reason is the latest."""
    circuit = Circuit(0.1, 5.0, lambda: 0.0)
    assert not circuit.is_open
    assert circuit.failed("gone")
    assert not circuit.failed("still gone")
    assert (circuit.is_open, circuit.reason) == (True, "still gone")
    circuit.answered()
    assert (circuit.is_open, circuit.reason) == (False, "")
    assert circuit.failed("again")


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_waits_double_up_to_the_limit(drawn: float, share: float) -> None:
    """Each wait is a drawn share of the step, so that many services do not probe together."""
    circuit = Circuit(0.1, 0.5, lambda: drawn)
    assert [circuit.wait_s() for _ in range(5)] == pytest.approx([share * step for step in (0.1, 0.2, 0.4, 0.5, 0.5)])
    circuit.answered()
    assert circuit.wait_s() == pytest.approx(share * 0.1)
