"""A model name is read as its behaviour, and every name is documented."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator import behaviour
from gateway.simulator.behaviour import FAILOVER_BENCH, OPTIONS, Behaviour, Fault, UnknownOption, parse, table

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulator.md"


@pytest.mark.parametrize("model", ["sim", "gpt-4o-mini", "", "-", "claude-chunks-5", "vendor/sim", "simulacrum-chunks"])
def test_plain_names_are_healthy(model: str) -> None:
    """A name that is not made of options asks for nothing."""
    assert parse(model) == Behaviour()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("sim-chunks-64-pace-50", Behaviour(chunks=64, pace_ms=50)),
        ("sim-pace-50-chunks-64", Behaviour(chunks=64, pace_ms=50)),
        ("vendor/sim-tools", Behaviour(tools=1)),
        ("sim-tools-2", Behaviour(tools=2)),
        ("sim-status-429-after-2", Behaviour(fault=Fault(status=429, retry_after_ms=2000))),
        ("sim-cut-before-headers-once", Behaviour(times=1, fault=Fault(is_cut_before_headers=True))),
        ("sim-cut-5", Behaviour(fault=Fault(cut_after_chunks=5))),
        ("sim-slow-headers", Behaviour(fault=Fault(slow_headers_ms=1000))),
        ("sim-stall-3-500-scale-10", Behaviour(scale_percent=10, fault=Fault(stall_after_chunks=3, stall_ms=50))),
        ("sim-s07-scale-1", Behaviour(scale_percent=1, fault=Fault(first_ms=200))),
        ("sim-s03-tag-s01", Behaviour(times=1, fault=Fault(status=500))),
        ("sim-down-60", Behaviour(down_ms=60_000)),
        ("sim-chunks-99999999999", Behaviour(chunks=behaviour.MOST_OTHERS)),
        ("sim-huge-body-99999", Behaviour(fault=Fault(huge_body_mb=256))),
        ("bench", Behaviour(is_bench=True)),
        ("bench-slow-20-50", Behaviour(is_bench=True, chunks=20, pace_ms=50)),
        ("bench-wait-30", Behaviour(is_bench=True, fault=Fault(wait_ms=30))),
    ],
)
def test_options(model: str, expected: Behaviour) -> None:
    """Options come in any order, numbers may be left out where there is a default, durations are scaled."""
    assert parse(model) == expected


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("sim-chunk-5", "'chunk'"),
        ("sim-chunks", "chunks-N"),
        ("sim-chunks-many", "chunks-N"),
        ("sim-stall-5", "stall-N-MS"),
        ("sim-status-99", "200 to 599"),
        ("sim-s17", "'s17'"),
        ("sim-", "''"),
        ("sim-chunks-٣", "chunks-N"),
    ],
)
def test_a_typo_is_an_error_that_names_it(model: str, says: str) -> None:
    """No misspelled fault passes for a healthy model."""
    with pytest.raises(UnknownOption, match=says):
        parse(model)


@given(st.lists(st.sampled_from([*FAILOVER_BENCH, *(option.word for option in OPTIONS), "7", "", "x"]), max_size=6))
def test_any_name_is_read_or_refused(words: list[str]) -> None:
    """No name breaks the parser in another way."""
    with suppress(UnknownOption):
        assert isinstance(parse("-".join(["sim", *words])), Behaviour)


def test_faults_end_when_the_name_says_so() -> None:
    """`once`, `times`, `every` and `down` leave the shape of the answer and take the faults away."""
    once = parse("sim-chunks-5-status-500-once")
    assert [once.at(attempt, 0).fault.status for attempt in (1, 2, 3)] == [500, 0, 0]
    assert once.at(2, 0).chunks == 5
    every = parse("sim-status-500-every-3")
    assert [every.at(attempt, 0).fault.status for attempt in range(1, 7)] == [0, 0, 500, 0, 0, 500]
    down = parse("sim-down-60-scale-10")
    assert [down.at(9, ms).fault.status for ms in (0, 5999, 6000)] == [503, 503, 0]


def test_every_option_is_in_the_document_and_the_docstring() -> None:
    """docs/simulator.md holds the table that the code writes, and the module's first screen names every option."""
    assert table() in DOCUMENT.read_text(encoding="utf-8"), "paste the output of python -m gateway.simulator.behaviour"
    assert behaviour.__doc__ is not None
    for option in OPTIONS:
        assert f"`{option.word}" in behaviour.__doc__
    assert list(FAILOVER_BENCH) == [f"s{number:02}" for number in range(1, 17)]


def test_every_option_sets_a_field() -> None:
    """An option that is read changes the behaviour (but for `tag`, which says that it does not)."""
    for option in OPTIONS:
        numbers = ["429"] * len(option.numbers)
        if option.word in ("tag", "scale"):
            continue
        assert parse("-".join(["sim", option.word, *numbers])) != Behaviour(), option.word
