"""What `gateway serve` has to start: reads the configuration, prints one JSON object, ends.

Rules:
    - Runs as a process of its own, so that the supervisor never loads the configuration's libraries.
    - A wrong configuration is said on standard error, all of it, with exit code 78.
    - In development, the first start makes a key; it is in the plan once and nowhere else.
Not here:
    - Starting anything (serve).
"""

from __future__ import annotations

import json
import os
import sys

from gateway.app.loop import EXIT_CONFIGURATION
from gateway.app.state import ensure_dev_key
from gateway.config.load import Loaded, load
from gateway.config.problems import ConfigErrors
from gateway.config.schema import Config
from gateway.config.standin import PROVIDER, is_needed, is_on


def plan_of(loaded: Loaded) -> dict[str, object]:
    """The plan as JSON values."""
    config = loaded.config
    return {
        "environment": config.environment,
        "frontends": config.process.frontends or max(1, (os.cpu_count() or 2) - 1),
        "http": f"{config.http.host}:{config.http.port}",
        "listeners": {
            name: f"http://{each.host}:{each.port}   (profile {each.profile})"
            for name, each in config.http.listeners.items()
        },
        "grpc": f"{config.grpc.host}:{config.grpc.port}" if config.grpc.is_enabled else "",
        "link_options": {
            "credit_bytes": config.link.credit_bytes,
            "part_bytes": config.link.part_bytes,
            "backoff_first_s": config.link.reconnect.base_s,
            "backoff_max_s": config.link.reconnect.max_s,
        },
        "has_simulator": is_on(config),
        "is_simulated": is_needed(config),
        "simulator_host": config.simulator.host,
        "simulator_port": config.simulator.port,
        "log_level": config.observe.log_level,
        "log_format": config.observe.log_format,
        "drain_s": config.process.drain_announce_s + config.process.drain_s,
        "backoff_base_s": config.process.restart.base_s,
        "backoff_max_s": config.process.restart.max_s,
        "new_key": ensure_dev_key(loaded) or "",
        "has_keys": any(not key.is_disabled for key in config.keys.values()),
        "is_key_required": config.auth.is_required,
        "has_dev_key": config.auth.dev_key is not None and config.auth.dev_key.is_set,
        "keyless_models": keyless_models(config),
        "warnings": list(loaded.warnings),
    }


def keyless_models(config: Config) -> int:
    """How many models nobody can serve because no key of their providers is set; 0 while no real one serves any."""
    served = keyless = 0
    for model in config.models.values():
        providers = {candidate.provider: config.providers[candidate.provider] for candidate in model.candidates}
        if any(provider.is_available for provider in providers.values()):
            served += any(p.is_available for slug, p in providers.items() if slug != PROVIDER)
        elif any(provider.enabled != "off" for provider in providers.values()):
            keyless += 1
    return keyless if served else 0


def main() -> int:
    """Print the plan."""
    try:
        loaded = load()
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return EXIT_CONFIGURATION
    sys.stdout.write(json.dumps(plan_of(loaded)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
