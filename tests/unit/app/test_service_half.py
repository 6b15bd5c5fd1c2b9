"""The service half takes a reload as a whole: what the reference calls reloadable is in force afterwards."""

from __future__ import annotations

import functools
from pathlib import Path

from gateway.app.service import ServiceHalf
from gateway.config.load import load
from gateway.config.snapshot import Current
from gateway.observe.log import LEVELS, Log
from tests.support.place import variables, write_layer


async def test_a_reload_changes_what_is_logged(tmp_path: Path) -> None:
    """Log level and the lag that is worth a record follow the configuration without a restart."""
    write_layer(tmp_path, {"observe": {"log_level": "warning"}})
    current = Current(functools.partial(load, tmp_path, environment="test", environ=variables(tmp_path, "test", {})))
    half = ServiceHalf(current, Log("warning"))
    write_layer(tmp_path, {"observe": {"log_level": "error", "loop_lag_warn_s": 3.0}})
    half.take(current.reload())
    assert half.log.level == LEVELS["error"]
    assert half.loop_lag_warn_s() == 3.0
    await half.stop()
