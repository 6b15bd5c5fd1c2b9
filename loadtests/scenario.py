"""Scenarios as data: one YAML file each, a short profile for CI and a full one.

Rules:
    - A scenario is closed: an unknown key, user or threshold is an error that names file and key.
    - `suite: locust` scenarios mix users; the other suites take numbers of their own (`parameters`).
Not here:
    - Running one (locust_run, suites).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent / "scenarios"
USERS = ("http_json", "http_batch", "http_sse", "http_embeddings", "grpc_unary", "grpc_stream")
SUITES = ("locust", "streams", "soak", "faults")
THRESHOLDS = (
    *("failure_ratio", "rps_min", "requests_min", "p50_ms", "p95_ms", "p99_ms"),
    *("ttft_p50_ms", "ttft_p95_ms", "ttft_p99_ms"),
)


class ScenarioInvalid(ValueError):
    """The file says something nobody understands."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How much of it, and what must hold."""

    users: int = 1
    spawn_rate: float = 1.0
    duration_s: float = 10.0
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    """By user name, or `all`."""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file."""

    name: str
    description: str
    suite: str
    mix: dict[str, int]
    models: dict[str, str]
    think_s: float
    short: Profile
    full: Profile


def names() -> list[str]:
    """Every scenario there is."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Scenario:
    """Read a scenario by name. Raises ScenarioInvalid, and FileNotFoundError for a name that is none."""
    path = FOLDER / f"{name}.yaml"
    return parse(name, yaml.safe_load(path.read_text(encoding="utf-8")))


def parse(name: str, tree: Any) -> Scenario:
    """Check and convert. Raises ScenarioInvalid."""
    place = f"{name}.yaml"
    _known(place, tree, ("description", "suite", "mix", "models", "think_s", "short", "full"))
    suite, mix, models = tree.get("suite", "locust"), tree.get("mix") or {}, tree.get("models") or {}
    if suite not in SUITES:
        raise ScenarioInvalid(f"{place}: suite `{suite}` is none of {', '.join(SUITES)}")
    _known(f"{place}: mix", mix, USERS)
    _known(f"{place}: models", models, USERS)
    if suite == "locust" and set(mix) != set(models):
        raise ScenarioInvalid(f"{place}: mix and models must name the same users")
    short, full = (_profile(f"{place}: {key}", tree.get(key) or {}) for key in ("short", "full"))
    return Scenario(
        name, str(tree.get("description", "")), suite, mix, models, float(tree.get("think_s", 0)), short, full
    )


def _profile(place: str, tree: Any) -> Profile:
    _known(place, tree, tuple(item.name for item in fields(Profile)))
    thresholds = tree.get("thresholds") or {}
    _known(f"{place}.thresholds", thresholds, ("all", *USERS))
    for user, limits in thresholds.items():
        _known(f"{place}.thresholds.{user}", limits, THRESHOLDS)
    return Profile(**tree)


def _known(place: str, tree: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(tree, dict):
        raise ScenarioInvalid(f"{place}: must be a map")
    for key in tree:
        if key not in allowed:
            raise ScenarioInvalid(f"{place}: unknown key `{key}`; known are {', '.join(allowed)}")
