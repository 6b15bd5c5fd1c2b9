"""The long suites by name: many streams, many requests with aborts, every fault."""

from collections.abc import Callable, Mapping
from typing import Any

from loadtests.stack import Gateway
from loadtests.suites import faults, soak, streams
from loadtests.suites.found import Found

Suite = Callable[[Mapping[str, Any], Gateway, str], Found]
SUITES: dict[str, Suite] = {"streams": streams.run, "soak": soak.run, "faults": faults.run}
