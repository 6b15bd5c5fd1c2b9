"""What processes use, read from /proc: CPU time, memory, descriptors, of a whole tree of processes.

Rules:
    - Linux only. A process that ended meanwhile counts as nothing; nothing here raises for it.
    - Memory is PSS (shared pages divided among those who share them), so that a sum over processes is true;
      RSS is there too, for limits that are stated in it.
Not here:
    - When to look (bench, suites); whose processes they are (stack).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
ROLES = {
    "gateway.app.service": "service",
    "gateway.app.frontend": "frontend",
    "gateway.app.simulator": "simulator",
    "gateway.app.resident": "supervisor",
    "serve": "supervisor",
    "loadtests.upstream": "upstream",
    "loadtests.bench.pacecar": "pacecar",
    "nginx:": "nginx",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process used up to now (`cpu_s`) or holds now (the rest)."""

    cpu_s: float = 0.0
    rss_kb: int = 0
    pss_kb: int = 0
    fds: int = 0
    threads: int = 0


def tree(pid: int) -> list[int]:
    """`pid` and everything it started, direct and indirect."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def role(pid: int) -> str:
    """What a process is, from its command line; `serve --single` is `single`."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "gone"
    if "--single" in words:
        return "single"
    return next((name for part, name in ROLES.items() for word in words if word == part or word.startswith(part)), "?")


def cpu_s(pid: int) -> float:
    """User and system time of one process."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S if fields else 0.0


def usage(pid: int) -> Usage:
    """Everything of one process; walking its pages takes milliseconds."""
    memory = _numbers_kb(PROC / str(pid) / "smaps_rollup")
    status = _numbers_kb(PROC / str(pid) / "status")
    try:
        fds = sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except OSError:
        fds = 0
    return Usage(cpu_s(pid), memory.get("Rss", 0), memory.get("Pss", 0), fds, status.get("Threads", 0))


def usage_by_role(pid: int) -> dict[str, Usage]:
    """Usage of each role below `pid`; equal roles (several frontends) add up."""
    found: dict[str, Usage] = {}
    for one in tree(pid) if pid else []:
        name, more = role(one), usage(one)
        have = found.get(name, Usage())
        found[name] = Usage(
            have.cpu_s + more.cpu_s,
            have.rss_kb + more.rss_kb,
            have.pss_kb + more.pss_kb,
            have.fds + more.fds,
            have.threads + more.threads,
        )
    return found


def cpu_by_role(pid: int) -> dict[str, float]:
    """CPU seconds of each role below `pid`."""
    found: dict[str, float] = {}
    for one in tree(pid) if pid else []:
        name = role(one)
        found[name] = found.get(name, 0.0) + cpu_s(one)
    return found


def machine() -> dict[str, str]:
    """The machine in words: what a figure needs beside it to mean something."""
    info = (PROC / "cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    ram_gb = _numbers_kb(PROC / "meminfo").get("MemTotal", 0) / 1024**2
    return {
        "cores": str(os.cpu_count()),
        "cpu": model,
        "ram": f"{ram_gb:.0f} GB",
        "kernel": f"{os.uname().sysname} {os.uname().release}",
    }


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, so that field 0 is the state; empty when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _numbers_kb(path: Path) -> dict[str, int]:
    """`Name: 123 kB` lines as numbers."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name: int(words[0]) for name, _, rest in pairs if (words := rest.split()) and words[0].isdigit()}
