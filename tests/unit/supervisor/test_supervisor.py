"""The supervisor over real processes: restarts, drain order, reload, giving up, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.supervisor.children import Child, ChildSpec, Policy
from tests.support.waiting import PATIENCE_S

WAIT_S = PATIENCE_S

# A child that writes what happens to it into a file. Behaviour: argv[2].
CHILD = """
import os, signal, sys, time
path, behaviour = sys.argv[1], sys.argv[2]
def note(text):
    with open(path, "a") as file:
        file.write(f"{text} {os.getpid()} {time.monotonic()}\\n")
def term(*_):
    note("term")
    if behaviour == "slow":
        time.sleep(0.3)
    if behaviour != "stubborn":
        note("end")
        sys.exit(0)
signal.signal(signal.SIGTERM, term)
signal.signal(signal.SIGHUP, lambda *_: note("hup"))
signal.signal(signal.SIGUSR1, lambda *_: note("notice"))
signal.signal(signal.SIGINT, lambda *_: note("int"))
note("start")
if behaviour.startswith("exit"):
    sys.exit(int(behaviour[4:]))
while True:
    time.sleep(10)
"""

MAIN = """
import json, sys
from gateway.supervisor import ChildSpec, Policy, run
given = json.loads(sys.argv[1])
specs = [ChildSpec(**spec) for spec in given["specs"]]
def exited(spec, pid, code):
    print(json.dumps(["exit", spec.name, pid, code]), flush=True)
sys.exit(run(specs, Policy(**given["policy"]), on_exit=exited))
"""


class Running:
    """A supervisor in its own process; notes of its children are read from files."""

    def __init__(self, folder: Path, children: dict[str, tuple[str, str]], policy: dict[str, float]) -> None:
        self.folder = folder
        specs = [
            {
                "name": name,
                "role": role,
                "argv": [sys.executable, "-c", CHILD, str(folder / name), behaviour],
                "notice": signal.SIGUSR1 if role == "service" else None,
            }
            for name, (role, behaviour) in children.items()
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, json.dumps({"specs": specs, "policy": policy})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def notes(self, name: str, what: str = "start") -> list[tuple[int, float]]:
        with contextlib.suppress(FileNotFoundError):
            lines = [line.split() for line in (self.folder / name).read_text().splitlines()]
            return [(int(pid), float(at)) for word, pid, at in lines if word == what]
        return []

    def wait(self, condition: Callable[[], Any]) -> Any:
        until = time.monotonic() + WAIT_S
        while not (found := condition()):
            assert time.monotonic() < until, "it did not happen"
            time.sleep(0.01)
        return found

    def started(self, name: str, times: int = 1) -> int:
        """The pid of the newest start, once there were so many."""
        pid: int = self.wait(lambda: len(self.notes(name)) >= times and self.notes(name))[-1][0]
        return pid

    def end(self) -> tuple[int, list[Any], list[dict[str, Any]]]:
        """Exit code, calls of on_exit, lines of the log."""
        out, err = self.process.communicate(timeout=WAIT_S)
        return (
            self.process.returncode,
            [json.loads(x) for x in out.splitlines()],
            [json.loads(x) for x in err.splitlines()],
        )


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(children: dict[str, tuple[str, str]], **policy: float) -> Running:
        made.append(Running(tmp_path, children, {"drain_s": 5.0, **policy}))
        return made[-1]

    yield make
    for running in made:
        running.process.kill()
        running.process.communicate()


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_killed_child_comes_back_while_the_others_stay(supervise: Callable[..., Running]) -> None:
    """kill -9 of the service gives a new service and does not touch the frontend."""
    running = supervise({"service": ("service", "run"), "frontend": ("frontend", "run")})
    first, frontend = running.started("service"), running.started("frontend")
    os.kill(first, signal.SIGKILL)
    assert running.started("service", times=2) != first
    assert len(running.notes("frontend")) == 1
    running.process.terminate()
    code, exits, log = running.end()
    assert code == 0
    assert ["exit", "service", first, -9] in exits
    assert {"child exited", "child started", "stopping"} <= {line["event"] for line in log}
    assert not is_alive(frontend)


def test_a_child_that_lived_comes_back_soon() -> None:
    """Not after a backoff of seconds: its next start is a tenth of a second away, however slow the machine is."""
    child = Child(ChildSpec("service", ["-"], "service"), Policy())
    child.exited(-signal.SIGKILL, 1000.0)
    assert child.restart_at_s == pytest.approx(1000.1)


def test_frontends_finish_before_the_service_is_told(supervise: Callable[..., Running]) -> None:
    """On SIGTERM the service hears of it only after every frontend has ended, the simulator last."""
    running = supervise(
        {
            "simulator": ("simulator", "run"),
            "service": ("service", "run"),
            "front1": ("frontend", "slow"),
            "front2": ("frontend", "run"),
        }
    )
    for name in ("simulator", "service", "front1", "front2"):
        running.started(name)
    running.process.terminate()
    code, exits, _ = running.end()
    assert code == 0
    assert running.notes("front1", "end")[0][1] < running.notes("service", "term")[0][1]
    assert running.notes("service", "end")[0][1] < running.notes("simulator", "term")[0][1]
    assert [code for *_, code in exits] == [0, 0, 0, 0]


def test_what_does_not_drain_is_killed(supervise: Callable[..., Running]) -> None:
    """A child that ignores SIGTERM is killed after drain_s; the supervisor still ends with 0."""
    running = supervise({"service": ("service", "stubborn")}, drain_s=0.3)
    running.started("service")
    running.process.terminate()
    code, exits, log = running.end()
    assert (code, exits[0][3]) == (0, -9)
    assert any("killed" in line["event"] for line in log)


def test_a_second_signal_kills_at_once(supervise: Callable[..., Running]) -> None:
    """Ctrl-C twice does not wait for the drain."""
    running = supervise({"service": ("service", "stubborn")}, drain_s=1000.0, repeat_s=0.0)
    running.started("service")
    running.process.send_signal(signal.SIGINT)
    running.wait(lambda: running.notes("service", "term"))
    running.process.send_signal(signal.SIGINT)
    assert running.end()[1][0][3] == -9


def test_a_signal_sent_twice_at_once_is_one(supervise: Callable[..., Running]) -> None:
    """A launcher that tells the process and its group does not cut what runs."""
    running = supervise({"service": ("service", "slow")}, repeat_s=1000.0)
    running.started("service")
    running.process.terminate()
    running.wait(lambda: running.notes("service", "term"))
    running.process.terminate()
    code, exits, log = running.end()
    assert (code, exits[0][3]) == (0, 0)
    assert [line["event"] for line in log].count("stopping") == 1


def test_reload_reaches_every_child(supervise: Callable[..., Running]) -> None:
    """SIGHUP is passed on to all and ends none."""
    running = supervise({"service": ("service", "run"), "frontend": ("frontend", "run")})
    pids = {running.started(name) for name in ("service", "frontend")}
    running.process.send_signal(signal.SIGHUP)
    heard = {running.wait(lambda name=name: running.notes(name, "hup"))[0][0] for name in ("service", "frontend")}
    assert heard == pids


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child by /proc")
def test_an_early_reload_does_not_end_a_child(supervise: Callable[..., Running]) -> None:
    """SIGHUP before the child can have installed a handler leaves it running."""
    running = supervise({"service": ("service", "run")})
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    running.wait(lambda: children.exists() and children.read_text())
    while not running.notes("service"):
        running.process.send_signal(signal.SIGHUP)
        time.sleep(0.002)
    running.started("service")
    running.process.terminate()
    _, exits, _ = running.end()
    assert len(exits) == 1


def test_a_configuration_error_is_not_retried(supervise: Callable[..., Running]) -> None:
    """Exit code 78 ends everything with 78 after one start."""
    running = supervise({"service": ("service", "exit78"), "frontend": ("frontend", "run")})
    code, _, log = running.end()
    assert code == 78
    assert len(running.notes("service")) == 1
    assert any(line["level"] == "critical" and line["child"] == "service" for line in log)


def test_a_child_that_never_starts_is_given_up(supervise: Callable[..., Running]) -> None:
    """After starts_max failed starts, each after a longer pause, the supervisor ends with the child's code."""
    running = supervise({"service": ("service", "exit3")}, starts_max=3, backoff_first_s=0.05)
    code, exits, log = running.end()
    assert (code, len(exits)) == (3, 3)
    assert log[-1]["event"].startswith(("child exited", "giving up"))
    first, second, third = (at for _, at in running.notes("service"))
    assert second - first >= 0.05
    assert third - second >= 0.1


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux")
def test_children_die_with_the_supervisor(supervise: Callable[..., Running]) -> None:
    """kill -9 of the supervisor leaves no child behind, not even one that ignores SIGTERM."""
    running = supervise({"service": ("service", "stubborn"), "frontend": ("frontend", "run")})
    pids = [running.started(name) for name in ("service", "frontend")]
    running.process.kill()
    running.wait(lambda: not any(map(is_alive, pids)))


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A child that cannot be executed is given up with its name in the log."""
    spec = {"name": "service", "role": "service", "argv": [str(tmp_path / "missing")]}
    given = {"specs": [spec], "policy": {"starts_max": 2, "backoff_first_s": 0.01}}
    done = subprocess.run(
        [sys.executable, "-c", MAIN, json.dumps(given)], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 1
    assert "missing" in done.stderr
    assert '"event": "giving up' in done.stderr


def test_the_supervisor_stays_light() -> None:
    """It imports none of the heavy modules that the processes it starts need."""
    heavy = ("grpc", "aiohttp", "pydantic", "dynaconf", "google.protobuf", "asyncio")
    code = f"import gateway.supervisor, sys; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_service_knows_of_the_stop_before_its_turn(supervise: Callable[..., Running]) -> None:
    """A child with a notice gets it while frontends still drain, once, and SIGTERM only when they are gone."""
    running = supervise({"service": ("service", "good"), "frontend": ("frontend", "slow")})
    for name in ("service", "frontend"):
        running.started(name)
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 0
    [(_, noticed)] = running.notes("service", "notice")
    [(_, frontend_ended)] = running.notes("frontend", "end")
    [(_, told)] = running.notes("service", "term")
    assert noticed < frontend_ended <= told
    assert not running.notes("frontend", "notice")
