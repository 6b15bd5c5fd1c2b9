"""What stays of `gateway serve` is told what to run, once, and has imported next to nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from gateway.app.resident import Job, read_job, write_job
from gateway.supervisor.children import ChildSpec, Policy


def test_a_job_is_taken_as_it_was_left(tmp_path: Path) -> None:
    """Every member; and it is gone then, for it has the children's environment."""
    child = ChildSpec("service", ("python", "-m", "x"), "service", {"A": "1"}, signal.SIGUSR1)
    job = Job([child], Policy(drain_s=3.5), "debug", "json")
    write_job(tmp_path, job)
    taken = read_job(tmp_path)
    assert (taken.policy, taken.log_level, taken.log_format) == (job.policy, "debug", "json")
    assert [(each.name, tuple(each.argv), each.role, each.env, each.notice) for each in taken.children] == [
        ("service", ("python", "-m", "x"), "service", {"A": "1"}, signal.SIGUSR1)
    ]
    assert list(tmp_path.iterdir()) == []


def test_it_imports_no_command_line_and_no_server() -> None:
    """It stays resident beside every gateway."""
    program = (
        "import json, sys, gateway.app.resident; print(json.dumps([n.partition(chr(46))[0] for n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"typer", "click", "rich", "pydantic", "grpc", "aiohttp", "google", "yaml", "dynaconf", "sqlalchemy"}
    assert not heavy & set(json.loads(done.stdout))
