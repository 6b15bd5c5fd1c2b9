"""Tables of commands as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from gateway.client import v1
from gateway.commands.asking import Column, print_csv

COLUMNS = (Column("model", "of"), Column("calls", "calls"), Column("cost_usd", "cost_usd_micros"))


def test_csv_has_every_value_and_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    """Heads first, money in dollars, quotes where they are needed, an apostrophe before what begins a formula."""
    sums = [v1.UsageSum(of=name, calls=2, cost_usd_micros=1_500_000) for name in ("=1+1", 'a,"b"', "plain")]
    print_csv(sums, COLUMNS)
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["model", "calls", "cost_usd"]
    assert rows[1:] == [["'=1+1", "2", "1.5"], ['a,"b"', "2", "1.5"], ["plain", "2", "1.5"]]
