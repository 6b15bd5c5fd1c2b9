"""Layered YAML and variables to one frozen tree: the only place that imports Dynaconf.

Rules:
    - Layers, lowest first: settings and topic files, `environments/<env>.yaml`, `local.yaml`, the state directory's
      `keys.yaml`, `.secrets.yaml`, `GATEWAY_*` variables.
    - One Dynaconf per layer, fed text and no file names: it finds no siblings, runs no hooks, reads no variables.
    - Everything wrong is raised at once, as ConfigErrors; a tree that is returned is complete and consistent.
    - Blocking and pure of side effects: call it at start and on reload, not per request.

Not here: swapping a new tree in (snapshot.py); noticing changes (watch.py).
"""

import copy
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

import yaml
from pydantic_core import ErrorDetails

from gateway.config import certificates, check, references, secrets, sources, standin, yaml_file
from gateway.config import environ as environment_layer
from gateway.config.merge import Layer, Merged, Origin, lay
from gateway.config.problems import ConfigErrors, Path, Problem, did_you_mean, dotted
from gateway.config.schema import Config
from gateway.config.sources import Sources

PRUNINGS_MAX = 5
UNWANTED = ("flask", "jinja2", "django")
"""Dynaconf imports these where they are installed: 8 MB, 0.2 s and an evaluator of templates that nobody asked for."""
STRAYS = {"dynaconf_hooks.py": "would be executed by Dynaconf", "settings.py": "would be executed by Dynaconf"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """One good configuration: the tree, who set what, a fingerprint of its values, and where it was read from.

    `config` includes the stand-in provider where it applies; `written` is the tree without it.
    """

    config: Config
    written: Config
    provenance: Mapping[Path, tuple[Origin, ...]] = field(repr=False)
    fingerprint: str
    sources: Sources = field(repr=False)
    secret_files: tuple[FilePath, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def short_fingerprint(self) -> str:
        """Short name of these values: equal values, equal name, on every machine."""
        return self.fingerprint[:12]

    def watched(self) -> list[FilePath]:
        """Every file whose change matters: layers, there or not, and files that hold a secret."""
        return [*self.sources.watched(), *self.secret_files]


def load(
    root: FilePath | None = None,
    *,
    environment: str | None = None,
    environ: Mapping[str, str] | None = None,
    config_dir: FilePath | None = None,
) -> Loaded:
    """Read everything under `root` (default: the current directory). Raises ConfigErrors with every problem."""
    variables = os.environ if environ is None else environ
    where = sources.locate(root, variables, environment, config_dir)
    problems = [*_setting_out(where, variables, config_dir)]
    merged = Merged()
    is_whole = where.environment in sources.ENVIRONMENTS
    for path in _files(where):
        is_whole &= _lay_file(merged, where, path, problems)
    layer, mistakes = environment_layer.read(variables, merged.values)
    lay(merged, layer)
    problems.extend(mistakes)
    if not is_whole:
        raise ConfigErrors(problems)  # a layer is missing: what else is said would be about values nobody wrote
    return _judge(where, merged, variables, problems)


def _judge(where: Sources, merged: Merged, variables: Mapping[str, str], problems: list[Problem]) -> Loaded:
    merged.values["environment"] = where.environment
    merged.origins["environment",] = (Origin("environment", _chosen_by(where, variables), None, where.environment),)
    values, resolved = secrets.resolve(merged, variables, where.config_dir)
    written, errors = check.validate(values, resolved)
    problems += [*resolved.problems, *check.problems(errors, merged)]
    problems += [_placed(complaint, merged) for complaint in _complaints(written, values, errors, resolved, where)]
    if problems or written is None:
        raise ConfigErrors(_one_per_place(problems))
    return Loaded(
        config=standin.apply(written),
        written=written,
        provenance=merged.origins,
        fingerprint=_fingerprint(values, resolved),
        sources=where,
        secret_files=tuple(resolved.files),
        warnings=_warnings(written),
    )


def _complaints(
    written: Config | None,
    values: dict[str, Any],
    errors: list[ErrorDetails],
    resolved: secrets.Resolved,
    where: Sources,
) -> list[references.Complaint]:
    """Broken rules between sections; when the tree is refused, of what is left without the refused parts."""
    taken: set[Path] = set()
    for _ in range(PRUNINGS_MAX):
        if written is not None:
            break
        taken |= check.prune(values, errors)
        written, errors = check.validate(values, resolved)
    if written is None:
        return []
    found = [
        *references.complaints(written),
        *certificates.complaints(written.link.tls, where.config_dir),
        *certificates.complaints(written.grpc.tls, where.config_dir, "grpc"),
        *certificates.of_providers(written.providers),
    ]
    return [
        item for item in found if not any(_touches(path, item.path) or _touches(path, item.refers) for path in taken)
    ]


def _touches(taken: Path, path: Path) -> bool:
    """Whether one of two paths lies within the other."""
    length = min(len(taken), len(path))
    return length > 0 and taken[:length] == path[:length]


def _one_per_place(problems: list[Problem]) -> list[Problem]:
    """The first thing said about a key at a line; what follows from it is left out."""
    first: dict[tuple[str, int | None, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.file, problem.line, problem.key or str(problem)), problem)
    return list(first.values())


def _chosen_by(where: Sources, variables: Mapping[str, str]) -> str:
    if variables.get("GATEWAY_ENV") == where.environment:
        return "GATEWAY_ENV"
    return (
        "the default"
        if where.environment == sources.DEFAULT_ENVIRONMENT and not variables.get("GATEWAY_ENV")
        else "--environment"
    )


def _setting_out(where: Sources, variables: Mapping[str, str], config_dir: FilePath | None) -> list[Problem]:
    """What makes reading itself doubtful: strange variables, directories that are not there, files that would run."""
    problems = []
    if where.environment not in sources.ENVIRONMENTS:
        hint = did_you_mean(where.environment, sources.ENVIRONMENTS)
        problems.append(Problem("GATEWAY_ENV", None, "", found=f'unknown environment "{where.environment}"', hint=hint))
    asked = config_dir or variables.get("GATEWAY_CONFIG_DIR")
    if asked and not where.config_dir.is_dir():
        problems.append(Problem(where.shown(where.config_dir), None, "", found="is not a directory"))
    problems.extend(
        Problem(variable, None, "", found="would change how files are read", hint="unset it")
        for variable in sorted({*variables, *os.environ})
        if variable.endswith("_FOR_DYNACONF")
    )
    problems.extend(_strays(where))
    return problems


def _strays(where: Sources) -> list[Problem]:
    """Files beside ours that Dynaconf users know, and that are not read here."""
    problems = []
    for path in sorted(where.config_dir.glob("*")):
        if path.name.endswith((".local.yaml", ".local.yml")):
            hint = "put it in local.yaml"
            problems.append(Problem(where.shown(path), None, "", found="is not read", hint=hint))
        elif path.name in STRAYS:
            problems.append(Problem(where.shown(path), None, "", found="is not run", hint="remove it"))
        elif path.suffix == ".yml":
            problems.append(Problem(where.shown(path), None, "", found="is not read", hint="name it .yaml"))
    return problems


def _files(where: Sources) -> list[FilePath]:
    return [*where.base_files(), *(path for path in where.local_files() if sources.is_there(path))]


def _lay_file(merged: Merged, where: Sources, path: FilePath, problems: list[Problem]) -> bool:
    """Read one file and lay it over; what is wrong goes to `problems`. False when its values cannot be told."""
    found = yaml_file.read(path, where.shown(path))
    problems.extend(found.problems)
    if found.is_broken:
        return False
    is_secret = path.name == sources.SECRETS_FILE
    try:
        # a file with mistakes is not shown to Dynaconf; its values serve only to find the other mistakes
        values = (
            _plain(yaml.safe_load(found.text) or {}) if found.problems else _values(found.text, is_kept=not is_secret)
        )
    except Exception as error:  # noqa: BLE001 - two YAML readers with exceptions of their own; any of them means this
        reason = (str(error) or type(error).__name__).splitlines()[0]
        problems.append(Problem(found.shown, None, "", found=f"not YAML: {reason}"))
        return False
    if values.pop("environment", None) is not None:
        _, line = found.locate(("environment",))
        problems.append(
            Problem(found.shown, line, "environment", found="cannot be set in a file", hint="set GATEWAY_ENV")
        )
    lay(merged, Layer(path.name, values, found.locate, is_secret_allowed=is_secret))
    return True


def _values(text: str, *, is_kept: bool) -> dict[str, Any]:
    """One layer's values. Kept ones are not read again while the text is the same: reading is most of a reload."""
    read = _by_dynaconf if is_kept else _by_dynaconf.__wrapped__
    return copy.deepcopy(read(text))


@lru_cache(maxsize=16)
def _by_dynaconf(text: str) -> dict[str, Any]:
    """Dynaconf gets text and nothing else to find."""
    with _absent(*UNWANTED):
        from dynaconf import Dynaconf
        from dynaconf.loaders import yaml_loader

    settings = Dynaconf(settings_files=[], loaders=[], environments=False, merge_enabled=True, load_dotenv=False)
    before = set(settings.as_dict())
    yaml_loader.load(settings, filename=[text + "\n"], silent=False)
    return {name.lower(): _plain(value) for name, value in settings.as_dict().items() if name not in before}


@contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Let an import find these modules missing, unless they are in use already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how Python spells "not there"
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _plain(value: Any) -> Any:
    """Dynaconf's boxes as plain maps and lists, names as text, dates as ISO text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _placed(complaint: references.Complaint, merged: Merged) -> Problem:
    origin = merged.origin(complaint.path)
    source, line = (origin.source, origin.line) if origin else ("configuration", None)
    return Problem(source, line, dotted(complaint.path), found=complaint.words, hint=complaint.hint)


def _fingerprint(values: Mapping[str, Any], resolved: secrets.Resolved) -> str:
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode())
    for secret in resolved.secrets:
        digest.update(hashlib.sha256(secret.reveal().encode() if secret.is_set else b"").digest())
    return digest.hexdigest()


def _warnings(config: Config) -> tuple[str, ...]:
    if config.environment == "production" and not any(item.is_available for item in config.providers.values()):
        return ("no provider is available: set a provider's key, such as OPENAI_API_KEY",)
    return ()
