"""What stays of `gateway serve`: the supervisor alone, in a process that has imported next to nothing.

Rules:
    - It is told what to run by a file in the private runtime directory, which it reads and deletes.
    - The runtime directory is removed at the end.
Not here:
    - What is to run (serve); restart, signals, drain (supervisor).
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.observe.log import LEVELS, make_log
from gateway.supervisor.children import ChildSpec, Policy
from gateway.supervisor.run import Log, run

METRICS = "metrics"  # folder in the runtime directory
_FILE = "serve.json"


@dataclass(frozen=True, slots=True)
class Job:
    """What to keep running, and how to log it."""

    children: list[ChildSpec]
    policy: Policy
    log_level: str
    log_format: str


def write_job(runtime_dir: Path, job: Job) -> None:
    """Leave it for the process that stays. The directory is its owner's alone."""
    (runtime_dir / _FILE).write_text(json.dumps(asdict(job)), encoding="utf-8")


def read_job(runtime_dir: Path) -> Job:
    """Take what was left."""
    path = runtime_dir / _FILE
    told = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    children = [ChildSpec(**child) for child in told.pop("children")]
    return Job(children, Policy(**told.pop("policy")), **told)


def main(runtime_dir: Path) -> int:
    """Run the job until told to stop; an exit code."""
    try:
        job = read_job(runtime_dir)
        return run(
            job.children,
            job.policy,
            on_exit=lambda _spec, pid, _code: _forget_gauges(runtime_dir / METRICS, pid),
            log=_log(job.log_level, job.log_format),
        )
    finally:
        shutil.rmtree(runtime_dir, ignore_errors=True)


def _log(level: str, log_format: str) -> Log:
    """The supervisor's records in the shape of all others."""
    log = make_log(level, log_format, "supervisor")

    def write(line: dict[str, object]) -> None:
        fields = dict(line)
        said, event = str(fields.pop("level")), str(fields.pop("event"))
        log.write_record(said if said in LEVELS else "error", event, fields)

    return write


def _forget_gauges(metrics_dir: Path, pid: int) -> None:
    """Live gauges of a process end with it; its counters stay in the sums."""
    for path in metrics_dir.glob(f"gauge_live*_{pid}.db"):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
