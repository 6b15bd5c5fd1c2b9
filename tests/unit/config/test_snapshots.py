"""The configuration in force: swapped whole, kept when the files are bad."""

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from gateway.config.snapshot import Current
from gateway.config.standin import at_address
from tests.unit.config.conftest import Write


@pytest.fixture
def current(tmp_path: Path) -> Current:
    return Current(lambda: load(tmp_path, environ={}), clock=lambda: 12.5)


def test_begins_with_generation_one(current: Current) -> None:
    """The first good configuration is generation 1."""
    snapshot = current.get()
    assert (snapshot.generation, snapshot.loaded_at) == (1, 12.5)
    assert snapshot.fingerprint == current.loaded.fingerprint


def test_there_is_no_beginning_without_a_good_configuration(write: Write, tmp_path: Path) -> None:
    """A gateway does not start on a bad file."""
    write("config/local.yaml", "htpp: {}\n")
    with pytest.raises(ConfigErrors):
        Current(lambda: load(tmp_path, environ={}))


def test_a_change_is_a_new_snapshot_and_the_old_one_stays_as_it_was(write: Write, current: Current) -> None:
    """A call that holds the old snapshot sees the old values to its end."""
    old = current.get()
    write("config/local.yaml", "limits:\n  concurrency: 3\n")
    outcome = current.reload()
    assert (outcome.outcome, outcome.snapshot.generation) == ("changed", 2)
    assert current.get() is outcome.snapshot
    assert (old.config.limits.concurrency, current.get().config.limits.concurrency) == (None, 3)


def test_equal_values_are_no_change(write: Write, current: Current) -> None:
    """A touched or reformatted file makes no generation."""
    write("config/local.yaml", "# nothing\nhttp: {port: 8080}\n")
    assert current.reload().outcome == "unchanged"
    assert current.get().generation == 1


def test_a_bad_file_keeps_the_last_good_one_and_is_news_once(write: Write, current: Current) -> None:
    """Same mistakes: silence. Other mistakes: news. Mended and broken again: news."""
    good = current.get()

    def kept(text: str) -> bool:
        write("config/local.yaml", text)
        outcome = current.reload()
        assert (outcome.outcome, outcome.snapshot) == ("kept", good)
        assert outcome.problems
        return outcome.is_news

    assert [kept("http: {port: x}\n"), kept("http: {port: x}\n"), kept("http: {port: y}\n")] == [True, False, True]
    write("config/local.yaml", "{}\n")
    assert current.reload().outcome == "unchanged"
    assert kept("http: {port: y}\n") is True
    assert current.get() is good


def test_a_removed_file_is_a_change(write: Write, current: Current) -> None:
    """Values of a layer go with its file."""
    path = write("config/local.yaml", "limits: {concurrency: 3}\n")
    current.reload()
    path.unlink()
    assert current.reload().outcome == "changed"
    assert current.get().config.limits.concurrency is None


def test_says_what_needs_a_restart(write: Write, current: Current) -> None:
    """Listeners and process counts are named; limits are not."""
    write("config/local.yaml", "http: {port: 9}\nprocess: {restart: {base_s: 1}}\nlimits: {concurrency: 3}\n")
    assert current.reload().restart_needed == ("http.port", "process.restart.base_s")


def test_what_is_known_at_run_time_survives_a_reload(write: Write, tmp_path: Path) -> None:
    """The simulator's address is put into every snapshot."""
    current = Current(lambda: load(tmp_path, environ={}), adapt=lambda config: at_address(config, "127.0.0.1", 4321))
    write("config/local.yaml", "limits: {concurrency: 3}\n")
    assert current.reload().outcome == "changed"
    assert current.get().config.providers["simulator"].base_url == "http://127.0.0.1:4321/v1"
