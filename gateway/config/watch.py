"""Noticing that a layer changed: file times and sizes, looked at twice a second.

Rules:
    - Files that appear or vanish count as changes; so do new profiles, and files that hold a secret.
    - A change is acted on when the files have been still for one look, so a half-written file is not read.
    - Reading runs in a thread; the swap runs on the event loop.
    - One reload at a time: what was read before a file changed is never taken after what was read behind it.

Not here: SIGHUP (app.py), which calls the same `reload`.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.config.snapshot import Current, Reloaded

INTERVAL_S = 0.5
Stamp = dict[Path, tuple[int, int, int]]


def stamp(paths: list[Path]) -> Stamp:
    """Time, size and inode of each file that exists."""
    found = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def is_due(acted_on: Stamp, seen: Stamp, now: Stamp) -> bool:
    """Whether to reload: something differs from what was acted on, and nothing moved since the last look."""
    return now != acted_on and now == seen


async def reload(current: Current) -> Reloaded:
    """Read in a thread, swap here, when a reload that runs is over."""
    async with current.reloading:
        return current.take(await asyncio.to_thread(current.read))


async def watch(current: Current, report: Callable[[Reloaded], None], *, interval_s: float = INTERVAL_S) -> None:
    """Reload whenever a layer changes, and report each outcome. Runs until cancelled."""
    acted_on = seen = stamp(current.loaded.watched())
    while True:
        await asyncio.sleep(interval_s)
        now = stamp(current.loaded.watched())
        if is_due(acted_on, seen, now):
            acted_on = now
            report(await reload(current))
        seen = now
