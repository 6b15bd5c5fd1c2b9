"""Log records: whatever is written is one line of JSON, nothing is waited for, nothing is unbounded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.secret import Secret
from gateway.observe.log import PENDING_MAX, Log


class Pipe:
    """Both ends of a pipe."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def lines(self) -> list[str]:
        """What was written until now."""
        data = b""
        while True:
            try:
                piece = os.read(self.reader, 1 << 20)
            except BlockingIOError:
                break
            if not piece:
                break
            data += piece
        return data.decode().split("\n")[:-1]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe that is closed at the end."""
    made = Pipe()
    yield made
    for fd in (made.reader, made.writer):
        try:
            os.close(fd)
        except OSError:
            continue


def one(pipe: Pipe, **fields: Any) -> dict[str, Any]:
    """The record of some fields."""
    Log(fd=pipe.writer, role="test").write("info", "event", **fields)
    (line,) = pipe.lines()
    record: dict[str, Any] = json.loads(line)
    return record


def test_a_record_has_time_level_role_and_generation(pipe: Pipe) -> None:
    """And its fields; the time is UTC to the millisecond."""
    record = one(pipe, a=1)
    assert {name: record[name] for name in ("level", "event", "role", "generation", "a")} == {
        "level": "info", "event": "event", "role": "test", "generation": 0, "a": 1,
    }  # fmt: skip
    assert len(record["ts"]) == len("2026-01-01T00:00:00.000Z")


def test_a_record_without_fields_is_whole(pipe: Pipe) -> None:
    """Nothing but the head."""
    assert one(pipe)["event"] == "event"


class Odd:
    """An object JSON does not know."""

    def __str__(self) -> str:
        return "odd"


ODD = {
    "half a surrogate pair": "\ud800",
    "inside a list": ["\udfff", {"a": "\ud800"}],
    "as a name": {"k\ud800": 1},
    "a huge integer": 2**70,
    "names that are no text": {1: 2, None: 3},
    "not a number": float("nan"),
    "bytes": b"\xff",
    "an object": Odd(),
    "a set": {1},
    "an exception": ValueError("x"),
    "breaks": 'a\nb\r\u2028"}\n{"level":"error',
    "escapes": "\x1b[31m\x00",
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("is_json", [True, False])
def test_no_value_breaks_a_line(pipe: Pipe, value: Any, is_json: bool) -> None:
    """One record, one line, beside fields that stay readable; also on a terminal."""
    Log(fd=pipe.writer, is_json=is_json).write("info", "event", value=value, beside="here")
    (line,) = pipe.lines()
    assert "here" in line
    assert "\x1b" not in line
    if is_json:
        assert json.loads(line)["beside"] == "here"


@given(st.dictionaries(st.text(max_size=5), st.text(st.sampled_from('a"\\{}\n\ud800☃\x1b'), max_size=9), max_size=3))
def test_nothing_can_be_injected(fields: dict[str, str]) -> None:
    """A value never ends its line or becomes another member."""
    pipe = Pipe()
    try:
        record = one(pipe, inner=fields)
    finally:
        os.close(pipe.reader)
        os.close(pipe.writer)
    assert record["level"] == "info"
    assert set(record) == {"ts", "level", "event", "role", "generation", "inner"}


def test_a_secret_is_not_written(pipe: Pipe) -> None:
    """Neither alone nor inside."""
    text = json.dumps(one(pipe, a=Secret("top"), b=[Secret("top")], c={"d": Secret("top")}))
    assert "top" not in text
    assert "***" in text


@pytest.mark.parametrize(("level", "written"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(pipe: Pipe, level: str, written: int) -> None:
    """What is below the level costs nothing and is nowhere."""
    log = Log(level, fd=pipe.writer)
    for each in ("debug", "info", "warning", "error"):
        log.write(each, "event")
    assert len(pipe.lines()) == written


def test_lines_are_gathered_and_written_together(pipe: Pipe) -> None:
    """One flush is asked for, however many lines come; `detach` leaves nothing behind."""
    asked: list[Callable[[], None]] = []
    log = Log(fd=pipe.writer)
    log.attach(lambda _delay_s, flush: asked.append(flush))
    for number in range(5):
        log.write("info", "event", number=number)
    assert (pipe.lines(), len(asked)) == ([], 1)
    asked[0]()
    assert [json.loads(line)["number"] for line in pipe.lines()] == list(range(5))
    log.write("info", "last")
    log.detach()
    assert json.loads(pipe.lines()[0])["event"] == "last"


def test_what_waits_is_bounded_and_what_was_lost_is_counted(tmp_path: Any) -> None:
    """A burst costs lines, not memory."""
    with (tmp_path / "log").open("w+b") as file:
        log = Log(fd=file.fileno())
        log.attach(lambda _delay_s, _flush: None)
        for _ in range(PENDING_MAX + 7):
            log.write("info", "event")
        log.flush()
        records = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(records) == PENDING_MAX + 1
    assert (records[-1]["event"], records[-1]["count"]) == ("log lines dropped", 7)


def test_a_closed_output_never_stops_the_process(pipe: Pipe) -> None:
    """The lines are lost, that is all."""
    log = Log(fd=pipe.writer)
    os.close(pipe.reader)
    log.write("info", "event")
    os.close(pipe.writer)
    log.write("info", "event")


def test_a_slow_output_gets_whole_lines(pipe: Pipe) -> None:
    """A write that takes a part is continued where it stopped."""
    log = Log(fd=pipe.writer)
    log.attach(lambda _delay_s, _flush: None)
    for _ in range(100):
        log.write("info", "event", filler="x" * 500)
    log.flush()
    assert len([json.loads(line) for line in pipe.lines()]) == 100
