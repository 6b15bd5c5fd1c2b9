"""`GATEWAY_*` variables as a layer: `GATEWAY_HTTP__PORT=8081` sets `http.port`.

Rules:
    - The schema decides how the text is read, so a secret of digits stays text and `1.20` for a text stays `1.20`.
    - Lists and maps are written as YAML: `GATEWAY_X='["a", "b"]'`; a list of texts also as `a,b`.
    - A variable that names no setting is a mistake, with the nearest name; `NOT_SETTINGS` are read elsewhere.
    - `_` in a variable finds `-` in a name: `GATEWAY_PROVIDERS__LLAMA_CPP__BASE_URL`.

Not here: checking the values (check.py).
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from gateway.config.merge import Layer
from gateway.config.problems import Path, Problem, did_you_mean, shown
from gateway.config.schema.walk import Place, fields, names, place

PREFIX = "GATEWAY_"
NOT_SETTINGS = frozenset(
    {
        "GATEWAY_ENV",  # which environment: load.py
        "GATEWAY_STATE_DIR",  # where the state directory is: load.py
        "GATEWAY_CONFIG_DIR",  # where the configuration is: load.py
        "GATEWAY_API_KEY",  # the client's key: commands/chat
        "GATEWAY_GRPC_ADDRESS",  # the client's target: commands/chat
        "GATEWAY_BASE_URL",  # the client's target: load tests
        "GATEWAY_LINK_TLS_CA",  # a frontend's end of the link: app/frontend
        "GATEWAY_LINK_TLS_CERT",
        "GATEWAY_LINK_TLS_KEY",
    }
)
NOT_SETTINGS_PREFIX = "GATEWAY_INTERNAL_"  # what a supervisor tells the processes it starts
ALIASES: Mapping[str, Path] = {
    "GATEWAY_ADMIN_KEY": ("admin", "key"),
    "GATEWAY_DEV_KEY": ("auth", "dev_key"),
    "GATEWAY_PEPPER": ("auth", "pepper"),
    "GATEWAY_LINK_SECRET": ("link", "secret"),
    "GATEWAY_LOG_LEVEL": ("observe", "log_level"),
}
NAME = "environment"


def read(environ: Mapping[str, str], below: Mapping[str, Any]) -> tuple[Layer, list[Problem]]:
    """The layer of the environment, and what is wrong with it. `below` gives the names already there."""
    values: dict[str, Any] = {}
    sources: dict[Path, str] = {}
    problems: list[Problem] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS or variable.startswith(NOT_SETTINGS_PREFIX):
            continue
        path = ALIASES.get(variable) or _path(variable, below)
        at = place(path) if path else None
        if path is None or at is None:
            problems.append(Problem(variable, None, "", found="names no setting", hint=_nearest(variable)))
        elif path == ("environment",):
            problems.append(
                Problem(variable, None, "", found="does not choose the environment", hint="set GATEWAY_ENV")
            )
        else:
            problems.extend(_put(values, path, cast(environ[variable], at), variable))
            sources[path] = variable
    return Layer(NAME, values, lambda written: (_source(sources, written), None), is_secret_allowed=True), problems


def cast(text: str, at: Place) -> Any:
    """The text of a variable as the kind of value the schema wants; the text itself when it cannot be that."""
    if at.is_optional and text.lower() in ("null", ""):
        return None
    if at.kind == "int" and re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    if at.kind in ("number", "decimal") and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        return float(text) if at.kind == "number" else text
    if at.kind == "bool" or (at.kind == "choice" and "on" in at.choices):
        return _switch(text, at)
    if at.kind in ("list", "map", "section", "any"):
        return _structure(text, at)
    if at.kind == "secret" and text.startswith("{"):
        return _structure(text, at)
    return text


def _switch(text: str, at: Place) -> Any:
    word = text.lower()
    is_true = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if word not in is_true:
        return text
    return is_true[word] if at.kind == "bool" else "on" if is_true[word] else "off"


def _structure(text: str, at: Place) -> Any:
    if at.kind == "list" and not text.lstrip().startswith(("[", "-", "{")):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _path(variable: str, below: Mapping[str, Any]) -> Path | None:
    """`GATEWAY_PROVIDERS__OPENAI__BASE_URL` as a path, spelled as schema and lower layers spell it."""
    steps: list[str | int] = []
    here: Any = below
    for part in variable.removeprefix(PREFIX).split("__"):
        at = place(tuple(steps))
        if at is None or not part:
            return None
        known = [*(here if isinstance(here, Mapping) else ()), *names(at)]
        word = part.lower()
        name = next((other for other in known if str(other).lower().replace("-", "_") == word.replace("-", "_")), word)
        steps.append(name)
        here = here.get(name) if isinstance(here, Mapping) else None
    return tuple(steps)


def _put(values: dict[str, Any], path: Path, value: Any, variable: str) -> list[Problem]:
    here = values
    for step in path[:-1]:
        following = here.setdefault(str(step), {})
        if not isinstance(following, dict):
            return [Problem(variable, None, "", found=f"is below a value already set: {shown(following)}")]
        here = following
    here[str(path[-1])] = value
    return []


def _source(sources: Mapping[Path, str], path: Path) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in sources:
            return sources[path[:length]]
    return next((variable for set_, variable in sources.items() if set_[: len(path)] == path), PREFIX + "*")


def _nearest(variable: str) -> str:
    known = {*NOT_SETTINGS, *ALIASES}
    known |= {variable_of(path) for path, _ in fields() if not {"*", 0} & set(path)}
    near = did_you_mean(variable.lower(), {name.lower() for name in known})
    return near.upper().replace("DID YOU MEAN", "did you mean")


def variable_of(path: Path) -> str:
    """The variable that sets `path`."""
    return PREFIX + "__".join(str(step) for step in path).upper().replace("-", "_")
