"""A working root of its own for each test: files written, nothing of the machine's environment read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import Loaded, load

Write = Callable[[str, str], Path]
Load = Callable[..., Loaded]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file under the working root."""

    def write_one(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_one


@pytest.fixture
def load_here(tmp_path: Path) -> Load:
    """Load the working root with exactly these variables."""

    def load_one(environment: str | None = None, **environ: Any) -> Loaded:
        return load(tmp_path, environment=environment, environ=environ)

    return load_one
