"""`scripts/instructions`: what it prints, and what it says where valgrind is missing."""

from __future__ import annotations

import pytest

from loadtests.bench.instructions import main, table


def test_the_table_has_the_median_of_each_process_and_their_sum() -> None:
    """One line a load; what a process hardly took part in is left out."""
    found = {
        "JSON request": {"service": [900.0, 1000.0, 950.0], "frontend": [400.0, 420.0, 410.0], "supervisor": [0.01]},
        "burst chunk": {"service": [40.04]},
    }
    assert table(found).splitlines() == [
        "JSON request: 1360.0 thousand instructions (frontend 410.0, service 950.0)",
        "burst chunk: 40.0 thousand instructions (service 40.0)",
    ]


def test_without_valgrind_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is started."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main([]) == 2
    assert "apt-get install valgrind" in capsys.readouterr().err
