"""The remaining sections: observe, simulator.

Rules: nothing here changes what a call does.

Not here: profiles (profiles.py).
"""

from typing import Literal

from gateway.config.schema.base import Section, Switch, setting


class Observe(Section):
    """Logs, metrics and health."""

    explain_calls_max: int = setting(
        1000, "Latest calls whose route can be explained by their request id; 0 = none.", unit="calls", ge=0, le=100_000
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "Least severe record that is written.")
    log_format: Literal["auto", "json", "console"] = setting(
        "auto", "Shape of a record; `auto` = console on a terminal, else one JSON object per line.", reloads=False
    )
    has_access_log: bool = setting(True, "Whether each call writes one record.")
    has_metrics: bool = setting(True, "Whether `/metrics` answers.", reloads=False)
    loop_lag_warn_s: float = setting(0.25, "Event-loop lag that is logged.", unit="seconds", gt=0, le=60)


class Simulator(Section):
    """The stand-in upstream. Never in production."""

    enabled: Switch = setting("auto", "`auto` = on in development and test, off in production.", reloads=False)
    host: str = setting("127.0.0.1", "Address to listen on.", reloads=False, min_length=1)
    port: int = setting(
        0, "Port to listen on; 0 lets the system choose.", unit="TCP port", reloads=False, ge=0, le=65_535
    )
