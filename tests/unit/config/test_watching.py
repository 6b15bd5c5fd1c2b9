"""File changes are noticed, whatever kind they are."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config.load import Loaded, load
from gateway.config.snapshot import Current, Reloaded
from gateway.config.watch import is_due, reload, stamp, watch
from tests.unit.config.conftest import Write

Outcomes = asyncio.Queue[Reloaded]
PATIENCE_S = 10


@pytest.fixture
def current(tmp_path: Path, write: Write) -> Current:
    write("config/local.yaml", "limits: {concurrency: 1}\n")
    return Current(lambda: load(tmp_path, environ={}))


@contextlib.asynccontextmanager
async def watching(current: Current) -> AsyncIterator[Outcomes]:
    """Watch quickly, and collect what is reported."""
    outcomes: Outcomes = asyncio.Queue()
    task = asyncio.create_task(watch(current, outcomes.put_nowait, interval_s=0.01))
    await asyncio.sleep(0)  # the first look is taken before the test changes anything
    try:
        yield outcomes
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def next_of(outcomes: Outcomes) -> Reloaded:
    return await asyncio.wait_for(outcomes.get(), PATIENCE_S)


@pytest.mark.parametrize(
    ("name", "text", "concurrency"),
    [
        ("config/local.yaml", "limits: {concurrency: 22}\n", 22),
        ("config/.secrets.yaml", "limits: {concurrency: 33}\n", 33),
        (".gateway/keys.yaml", "limits: {concurrency: 44}\n", 44),
    ],
)
async def test_a_changed_or_new_file_is_read(
    current: Current, write: Write, name: str, text: str, concurrency: int
) -> None:
    """Existing layers that change and layers that appear are taken over."""
    async with watching(current) as outcomes:
        write(name, text)
        assert (await next_of(outcomes)).outcome == "changed"
    assert current.get().config.limits.concurrency == concurrency


async def test_a_new_profile_is_noticed(current: Current, write: Write) -> None:
    """Files of a directory are looked for anew each time."""
    async with watching(current) as outcomes:
        write("config/profiles/mine.yaml", "profiles: {mine: {}}\n")
        assert (await next_of(outcomes)).outcome == "changed"
    assert "mine" in current.get().config.profiles


async def test_a_new_settings_file_stands_in_for_the_shipped_one(current: Current, write: Write) -> None:
    """A file that takes the place of a shipped one counts as a change."""
    async with watching(current) as outcomes:
        write("config/settings.yaml", "process: {drain_s: 7}\n")
        assert (await next_of(outcomes)).outcome == "changed"
    assert current.get().config.process.drain_s == 7


async def test_a_removed_file_is_noticed(current: Current, tmp_path: Path) -> None:
    """A layer that vanishes takes its values with it."""
    async with watching(current) as outcomes:
        (tmp_path / "config/local.yaml").unlink()
        assert (await next_of(outcomes)).outcome == "changed"
    assert current.get().config.limits.concurrency is None


async def test_a_replaced_file_of_equal_time_and_size_is_noticed(
    current: Current, tmp_path: Path, write: Write
) -> None:
    """Editors replace files by renaming; the inode tells."""
    import os

    old = (tmp_path / "config/local.yaml").stat()
    new = write("config/new", "limits: {concurrency: 9}\n")
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    async with watching(current) as outcomes:
        new.replace(tmp_path / "config/local.yaml")
        assert (await next_of(outcomes)).outcome == "changed"
    assert current.get().config.limits.concurrency == 9


async def test_a_bad_file_is_reported_and_a_mended_one_taken(current: Current, write: Write) -> None:
    """Watching goes on after a mistake."""
    async with watching(current) as outcomes:
        write("config/local.yaml", "limits: {concurrency: many}\n")
        assert (await next_of(outcomes)).outcome == "kept"
        write("config/local.yaml", "limits: {concurrency: 5}\n")
        assert (await next_of(outcomes)).outcome == "changed"
    assert current.get().config.limits.concurrency == 5


async def test_nothing_is_reported_while_nothing_changes(current: Current) -> None:
    """Fifty looks, no report."""
    async with watching(current) as outcomes:
        for _ in range(50):
            await asyncio.sleep(0.01)
        assert outcomes.empty()


async def test_a_rotated_secret_file_is_noticed(current: Current, write: Write) -> None:
    """A file that only holds a secret is watched as the layers are."""
    write("config/pepper", "one")
    write("config/local.yaml", "auth: {pepper: {file: pepper}}\n")
    current.reload()
    async with watching(current) as outcomes:
        write("config/pepper", "another")
        assert (await next_of(outcomes)).outcome == "changed"
    pepper = current.get().config.auth.pepper
    assert pepper is not None
    assert pepper.reveal() == "another"


async def test_what_was_read_first_is_not_taken_last(tmp_path: Path, write: Write) -> None:
    """A reading that hangs, of a file that changed since, does not bring the former configuration back."""
    is_read, may_end = threading.Event(), threading.Event()
    hanging = iter([False, True, False])

    def slow_load() -> Loaded:
        loaded = load(tmp_path, environ={})
        if next(hanging):
            is_read.set()
            may_end.wait(PATIENCE_S)
        return loaded

    current = Current(slow_load)
    write("config/local.yaml", "limits: {concurrency: 5}\n")
    first = asyncio.create_task(reload(current))
    await asyncio.to_thread(is_read.wait, PATIENCE_S)
    write("config/local.yaml", "limits: {concurrency: 6}\n")
    second = asyncio.create_task(reload(current))
    await asyncio.sleep(0.2)  # long enough for a reading that does not wait for the first
    may_end.set()
    await asyncio.gather(first, second)
    assert current.get().config.limits.concurrency == 6


def test_a_file_still_being_written_is_left_alone(write: Write) -> None:
    """Between two looks at different sizes nothing is due; at the second equal one it is, and once only."""
    path = write("config/local.yaml", "limits:")
    first = stamp([path])
    write("config/local.yaml", "limits: {concurrency: 1}\n")
    second = stamp([path])
    write("config/local.yaml", "limits: {concurrency: 1, tokens_per_minute: 5}\n")
    third = stamp([path])
    looks = [(first, first, second), (first, second, third), (first, third, third), (third, third, third)]
    assert [is_due(*look) for look in looks] == [False, False, True, False]
