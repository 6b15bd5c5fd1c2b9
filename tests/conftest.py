"""What holds for every test: a clean environment, and one worker for everything that starts processes.

Rules: a test never sees the developer's own GATEWAY_* settings, vendor keys or HTTP proxy; tests under `e2e` and
    `chaos` run one after the other (pytest-xdist group `processes`), the rest beside them; `full` needs `--full`.
Not here: fixtures; each folder has its own conftest.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gateway.app import grpc_tuning

ROOT = Path(__file__).resolve().parent.parent
WITH_PROCESSES = ("e2e", "chaos", "load")

_FOREIGN_PREFIXES = ("GATEWAY_", "OPENAI_", "ANTHROPIC_", "AZURE_OPENAI_")
_FOREIGN_SUFFIXES = ("_API_KEY", "_FOR_DYNACONF")
_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}

# Shared machines stall now and then: a property is about values, never about the seconds an example took.
settings.register_profile("gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gateway")


def is_foreign(name: str) -> bool:
    """Whether this variable of the developer's shell would change what a test sees."""
    return name.startswith(_FOREIGN_PREFIXES) or name.endswith(_FOREIGN_SUFFIXES) or name.lower() in _PROXIES


grpc_tuning.prepare()  # tests in this process run gRPC as the gateway's own processes do
for _name in [name for name in os.environ if is_foreign(name)]:
    del os.environ[_name]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long profile of the long suites, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="long profile: run with --full")
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        if folder in WITH_PROCESSES:
            item.add_marker(pytest.mark.xdist_group("processes"))
        if item.get_closest_marker("full") and not config.getoption("--full"):
            item.add_marker(skip)
