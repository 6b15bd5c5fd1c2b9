"""A log whose reader is behind: the process goes on, lines stay whole and in order, what is lost is counted."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from gateway.observe.log import PENDING_MAX, Log
from gateway.observe.sink import Sink

BOUND_S = 5.0


class Later:
    """A scheduler that runs what it was given when told to."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def __call__(self, _delay_s: float, job: Callable[[], None]) -> None:
        self.jobs.append(job)

    def run(self) -> None:
        """Run what waits now."""
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """Reader and writer; nobody reads unless a test does."""
    if request.param == "pipe":
        reader, writer = os.pipe()
        yield reader, writer
        for fd in (reader, writer):
            os.close(fd)
    else:
        here, there = socket.socketpair()
        with here, there:
            yield here.fileno(), there.fileno()


def test_a_full_output_is_not_waited_for(ends: tuple[int, int]) -> None:
    """Hundred megabytes into a pipe nobody reads take no time; memory is bounded, and what is lost is counted."""
    _, writer = ends
    later = Later()
    log = Log(fd=writer)
    log.attach(later)
    began_s = time.monotonic()
    for number in range(PENDING_MAX * 3):
        log.write("info", "event", number=number, text="x" * 100)
        if number % 1000 == 0:
            later.run()
    assert time.monotonic() - began_s < BOUND_S
    assert log.dropped_count > 0
    assert len(log._pending) <= PENDING_MAX


def test_lines_arrive_whole_and_in_order_when_the_reader_is_back(ends: tuple[int, int]) -> None:
    """Everything that was not dropped comes, then the record that says how many were."""
    reader, writer = ends
    later = Later()
    log = Log(fd=writer)
    log.attach(later)
    total = PENDING_MAX * 2 + 500
    for number in range(total):
        log.write("info", "event", number=number, text="x" * 50)
        if number == 5000:
            later.run()
    read: list[bytes] = []
    reading = threading.Thread(target=_drain, args=(reader, read))
    reading.start()
    until_s = time.monotonic() + BOUND_S
    while later.jobs and time.monotonic() < until_s:
        later.run()
        time.sleep(0.001)
    log.write("error", "last")
    log.detach()
    reading.join(BOUND_S)
    records = [json.loads(line) for line in b"".join(read).splitlines()]
    numbers = [record["number"] for record in records if record["event"] == "event"]
    assert numbers == sorted(set(numbers))
    dropped = sum(record["count"] for record in records if record["event"] == "log lines dropped")
    assert dropped == log.dropped_count == total - len(numbers) > 0
    assert records[-1]["event"] == "last"


def _drain(reader: int, read: list[bytes]) -> None:
    while not b"".join(read[-2:]).rstrip().endswith(b'"event":"last"}'):
        read.append(os.read(reader, 65_536))


def test_the_descriptor_stays_as_it_was(ends: tuple[int, int]) -> None:
    """Who shares it (the shell, another process) still finds it blocking."""
    _, writer = ends
    before = os.get_blocking(writer)
    log = Log(fd=writer)
    log.write("info", "event")
    assert os.get_blocking(writer) is before


def test_an_output_that_is_gone_takes_everything(ends: tuple[int, int]) -> None:
    """Nothing is kept for a reader that will never come back."""
    assert Sink(10_000).write(b"x") == b""
    reader, writer = os.pipe()
    sink = Sink(writer)
    os.close(reader)
    assert sink.write(b"x" * 1000) == b""
    os.close(writer)
    assert ends


def test_the_end_of_a_process_waits_a_moment_only(ends: tuple[int, int]) -> None:
    """`detach` with nobody reading returns."""
    _, writer = ends
    log = Log(fd=writer)
    log.attach(Later())
    for _ in range(2000):
        log.write("info", "event", text="x" * 200)
    began_s = time.monotonic()
    log.detach()
    assert time.monotonic() - began_s < BOUND_S
