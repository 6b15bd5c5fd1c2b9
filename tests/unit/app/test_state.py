"""The state directory: who may read it, and what is written into it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.keys import Keyring
from gateway.app.plan import plan_of
from gateway.app.serve import free_port
from gateway.app.state import create_key, ensure_dev_key, pepper_of, read_keys, write_keys
from gateway.config.load import Loaded, load
from gateway.config.schema import Config
from gateway.core.errors import GatewayError


def loaded(root: Path, environment: str = "development", **environ: str) -> Loaded:
    """The shipped configuration with the state directory under `root`."""
    return load(root, environment=environment, environ={"GATEWAY_STATE_DIR": str(root / "state"), **environ})


def mode(path: Path) -> str:
    """Permission bits, octal."""
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_the_pepper_is_made_once_and_is_the_owners(tmp_path: Path) -> None:
    """256 bits, read back the same; directory 0700, file 0600, whatever the umask."""
    old = os.umask(0)
    try:
        first = pepper_of(Config(), tmp_path / "state")
    finally:
        os.umask(old)
    assert len(first) == 32
    assert pepper_of(Config(), tmp_path / "state") == first
    assert (mode(tmp_path / "state"), mode(tmp_path / "state/pepper")) == ("0o700", "0o600")


def test_processes_that_start_together_agree_on_the_pepper(tmp_path: Path) -> None:
    """Nobody ever reads half a pepper: with it no key would be right, or any key of an empty one."""
    for number in range(20):
        state = tmp_path / str(number)
        with ThreadPoolExecutor(8) as pool:
            peppers = set(pool.map(lambda _, at=state: pepper_of(Config(), at), range(8)))
        assert len(peppers) == 1
        assert len(peppers.pop()) == 32


@pytest.mark.parametrize("text", ["", "\n", "zz", "abcd"])
def test_a_spoiled_pepper_is_said_and_not_used(tmp_path: Path, text: str) -> None:
    """An empty or shortened pepper would make digests anybody can compute."""
    (tmp_path / "pepper").write_text(text)
    with pytest.raises(ValueError, match="pepper"):
        pepper_of(Config(), tmp_path)


def test_a_configured_pepper_writes_nothing(tmp_path: Path) -> None:
    """From GATEWAY_PEPPER."""
    made = loaded(tmp_path, GATEWAY_PEPPER="given")
    assert pepper_of(made.config, tmp_path / "state") == b"given"
    assert not (tmp_path / "state").exists()


def test_a_key_made_here_is_known_after_the_next_load(tmp_path: Path) -> None:
    """Its record has an HMAC and never the key; the file is 0600; models and limits come back."""
    limits = {"requests_per_minute": 5}
    key_id, whole = create_key(loaded(tmp_path), "Team A!", models=["gpt-*"], limits=limits)
    file = tmp_path / "state/keys.yaml"
    assert mode(file) == "0o600"
    assert whole.partition(".")[2] not in file.read_text()
    after = loaded(tmp_path)
    who = Keyring.of(after.config, pepper_of(after.config, tmp_path / "state")).identify(whole, 0)
    assert (who.key_id, who.name, who.models, who.limits.requests_per_minute) == (key_id, "Team A!", ("gpt-*",), 5)
    assert list(tmp_path.glob("state/*.tmp")) == []


def test_a_key_has_the_form_of_its_profile(tmp_path: Path) -> None:
    """Prefix and limit are the profile's, a limit of its own comes first; it is known whatever its prefix."""
    _, first = create_key(loaded(tmp_path), "one", models=[], limits={}, profile="inferxgate")
    _, second = create_key(loaded(tmp_path), "two", models=[], limits={"requests_per_minute": 5}, profile="inferxgate")
    _, third = create_key(loaded(tmp_path), "three", models=[], limits={}, profile="xmaxgate")
    assert first.startswith("ix-api-key-")
    assert third.startswith("xmg_")
    after = loaded(tmp_path)
    keyring = Keyring.of(after.config, pepper_of(after.config, tmp_path / "state"))
    limits = [keyring.identify(key, 0).limits.requests_per_minute for key in (first, second, third)]
    assert limits == [60, 5, None]
    with pytest.raises(ValueError, match="there is no profile 'nobody'"):
        create_key(after, "four", models=[], limits={}, profile="nobody")


NAMES = ["", "key", "Team A!", "ä☃", "a.b__c", "true", "null", "x: [", "\n# no", "-" * 9, "5", "x" * 200]


def test_any_name_makes_a_record_that_can_be_read(tmp_path: Path) -> None:
    """Several of one name as well; a name is text and nothing else."""
    before = loaded(tmp_path)
    for name in [*NAMES, *NAMES]:
        create_key(before, name, models=[], limits={})
    assert sorted(key.name for key in loaded(tmp_path).config.keys.values()) == sorted([*NAMES, *NAMES])


@pytest.mark.parametrize(
    ("name", "models"), [("x" * 201, []), ("ok", [""]), ("@int 5", []), ("ok", ["@x"]), ("ok", ["no-such-model"])]
)
def test_a_record_the_configuration_would_refuse_is_not_written(tmp_path: Path, name: str, models: list[str]) -> None:
    """Otherwise one wrong `keys create` keeps the gateway from starting."""
    with pytest.raises(ValueError, match=r"name|model"):
        create_key(loaded(tmp_path), name, models=models, limits={})
    assert read_keys(tmp_path / "state") == {}
    loaded(tmp_path)


def test_keys_are_replaced_all_at_once(tmp_path: Path) -> None:
    """What was there is gone, what is new is there."""
    write_keys(tmp_path / "s", {"a": {"id": "aaaa"}})
    write_keys(tmp_path / "s", {"b": {"id": "bbbb"}})
    assert read_keys(tmp_path / "s") == {"b": {"id": "bbbb"}}
    assert read_keys(tmp_path / "nowhere") == {}


def test_the_development_key_is_made_once(tmp_path: Path) -> None:
    """The second start has a key already."""
    first = ensure_dev_key(loaded(tmp_path))
    assert first is not None
    assert re.fullmatch(r"gw-[a-z0-9]{16}\.[A-Za-z0-9_-]{43}", first)
    assert ensure_dev_key(loaded(tmp_path)) is None
    after = loaded(tmp_path)
    Keyring.of(after.config, pepper_of(after.config, tmp_path / "state")).identify(first, 0)


@pytest.mark.parametrize(
    ("environment", "environ"),
    [
        ("test", {}),
        ("development", {"GATEWAY_DEV_KEY": "gw-a.b"}),
        ("development", {"GATEWAY_AUTH__IS_REQUIRED": "false"}),
    ],
)
def test_no_key_is_made_where_none_is_needed(tmp_path: Path, environment: str, environ: dict[str, str]) -> None:
    """Nothing is written either."""
    assert ensure_dev_key(loaded(tmp_path, environment, **environ)) is None
    assert not (tmp_path / "state").exists()


def test_the_plan_holds_no_secret_but_the_new_key(tmp_path: Path) -> None:
    """It crosses a pipe and is printed."""
    plan: dict[str, Any] = plan_of(loaded(tmp_path, GATEWAY_DEV_KEY="gw-a.sesame", OPENAI_API_KEY="sk-sesame"))
    assert "sesame" not in repr(plan)
    assert (plan["has_dev_key"], plan["new_key"], plan["has_simulator"]) == (True, "", plan["has_simulator"])
    assert plan["frontends"] >= 1


def test_the_plan_as_a_process(tmp_path: Path) -> None:
    """One JSON object on standard output; a wrong configuration is exit code 78, all of it on standard error."""
    wrong = {"GATEWAY_HTTP__PORT": "x", "GATEWAY_GRPC__PORT": "y"}
    environ = {**os.environ, "GATEWAY_STATE_DIR": str(tmp_path), **wrong}
    run = [sys.executable, "-m", "gateway.app.plan"]
    bad = subprocess.run(run, env=environ, capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (78, "")
    assert "http.port" in bad.stderr
    assert "grpc.port" in bad.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_free_port_can_be_bound(host: str) -> None:
    """Of either family."""
    assert 0 < free_port(host) < 65_536


def test_an_unknown_key_is_unknown(tmp_path: Path) -> None:
    """A key of another state directory is none here."""
    _, whole = create_key(loaded(tmp_path / "a"), "k", models=[], limits={})
    here = loaded(tmp_path / "b")
    with pytest.raises(GatewayError):
        Keyring.of(here.config, pepper_of(here.config, tmp_path / "b/state")).identify(whole, 0)
