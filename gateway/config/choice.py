"""A model's `routing` section, compiled: names of candidates become sets, weights are added up.

Rules:
    - A model that sets nothing there, and whose candidates differ in nothing that a filter asks, has no `Choice`:
      its plans look at nothing of a call.
    - Names are those the configuration was checked with (`wrong_routes`); an unknown one matches nothing.
Not here:
    - Deciding (routing).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.config.problems import Path, did_you_mean
from gateway.config.schema import Candidate, Config, Model
from gateway.config.schema.routing import Condition, Mirror
from gateway.core.globs import is_glob

FORBIDDEN_HEADERS = frozenset(("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"))


class CompiledRule(NamedTuple):
    """One rule. `candidates` None = all; `model` None = this one; `policy` empty = the model's."""

    name: str
    when: Condition
    candidates: frozenset[str] | None
    model: str | None
    policy: str


class CompiledArm(NamedTuple):
    """One side of a split; `until` is the share of callers in it and the arms before it, in [0, 1]."""

    name: str
    until: float
    candidates: frozenset[str]


class CompiledSplit(NamedTuple):
    """Callers dealt to arms."""

    name: str
    by: str
    arms: tuple[CompiledArm, ...]


class Choice(NamedTuple):
    """How candidates are chosen. `policy` empty = by weight where one is set, else as listed."""

    policy: str
    affinity: str
    rules: tuple[CompiledRule, ...]
    split: CompiledSplit | None
    mirror: Mirror | None


def name_of(candidate: Candidate) -> str:
    """How a candidate is called in plans and rules."""
    return f"{candidate.provider}/{candidate.upstream_model or '*'}"


def choice_of(model: Model) -> Choice | None:
    """What a model's routing section says; None when there is nothing to choose by."""
    routing = model.routing
    is_set = any((routing.policy, routing.affinity, routing.rules, routing.split, routing.mirror, routing.concurrency))
    has_filters = any(c.capabilities is not None or c.context_window_tokens for c in model.candidates)
    if not is_set and not has_filters:
        return None
    rules = tuple(
        CompiledRule(
            rule.name, rule.when, _named(model, rule.candidates) if rule.candidates else None, rule.model,
            rule.policy or "",
        )
        for rule in routing.rules
    )  # fmt: skip
    return Choice(routing.policy or "", routing.affinity or "", rules, _split(model), routing.mirror)


def has_headroom(model: Model) -> bool:
    """Whether a policy of this model asks what providers' own limits leave."""
    return "headroom" in (model.routing.policy, *(rule.policy for rule in model.routing.rules))


def _split(model: Model) -> CompiledSplit | None:
    split = model.routing.split
    if split is None:
        return None
    total, sum_so_far, arms = sum(arm.weight for arm in split.arms) or 1, 0, []
    for arm in split.arms:
        sum_so_far += arm.weight
        arms.append(CompiledArm(arm.name, sum_so_far / total, _named(model, arm.candidates)))
    return CompiledSplit(split.name, split.by, tuple(arms))


def _named(model: Model, names: tuple[str, ...]) -> frozenset[str]:
    wanted = set(names)
    return frozenset(name_of(c) for c in model.candidates if name_of(c) in wanted or c.provider in wanted)


Wrong = tuple[Path, str, str, Path]  # where, in which words, how to mend it, what was looked for


def wrong_routes(config: Config) -> Iterator[Wrong]:
    """Every broken rule of the routing sections."""
    for slug, model in config.models.items():
        path: Path = ("models", slug, "routing")
        yield from _wrong_names(model, path)
        yield from _wrong_models(config, slug, model, path)
        yield from _wrong_headers(config, model, path)
        concurrency = model.routing.concurrency
        if concurrency is not None and not concurrency.limit_min <= concurrency.limit_first <= concurrency.limit_max:
            words = "limit_min <= limit_first <= limit_max does not hold"
            yield (*path, "concurrency", "limit_first"), words, "", ()
    for at, condition in enumerate(config.policies.batch):
        yield from _unpassed(config, condition.headers, ("policies", "batch", at, "headers"))


def _wrong_names(model: Model, path: Path) -> Iterator[Wrong]:
    known = {name for c in model.candidates for name in (c.provider, name_of(c))}
    split = model.routing.split
    uses = [((*path, "rules", at, "candidates"), rule.candidates) for at, rule in enumerate(model.routing.rules)]
    for at, arm in enumerate(split.arms if split else ()):
        uses.append(((*path, "split", "arms", at, "candidates"), arm.candidates))
    for where, names in uses:
        for at, name in enumerate(names):
            if name not in known:
                hint = did_you_mean(name, known) or "name a candidate's provider, or provider/upstream_model"
                yield (*where, at), f'no candidate of this model is called "{name}"', hint, ()
    if split is not None and not any(arm.weight for arm in split.arms):
        yield (*path, "split", "arms"), "every weight is 0", "give at least one arm a weight", ()


def _wrong_models(config: Config, slug: str, model: Model, path: Path) -> Iterator[Wrong]:
    mirror = model.routing.mirror
    uses = [((*path, "rules", at, "model"), rule.model) for at, rule in enumerate(model.routing.rules) if rule.model]
    uses += [((*path, "mirror", "model"), mirror.model)] if mirror else []
    for where, other in uses:
        found = config.models.get(other)
        if found is None:
            yield where, f'unknown model "{other}"', did_you_mean(other, set(config.models)), ("models", other)
        elif other == slug:
            yield where, "is this model itself", "name another", ()
        elif all(is_glob(name) for name in found.names) and any(c.upstream_model is None for c in found.candidates):
            yield where, f'the model "{other}" has only globs for names', "set upstream_model for its candidates", ()


def _wrong_headers(config: Config, model: Model, path: Path) -> Iterator[Wrong]:
    routing = model.routing
    for at, rule in enumerate(routing.rules):
        yield from _unpassed(config, rule.when.headers, (*path, "rules", at, "when", "headers"))
    if routing.affinity:
        yield from _unpassed(config, _header_in(routing.affinity), (*path, "affinity"))
    if routing.split:
        yield from _unpassed(config, _header_in(routing.split.by), (*path, "split", "by"))


def _header_in(call_key: str) -> tuple[str, ...]:
    kind, _, name = call_key.partition(":")
    return (name,) if kind == "header" else ()


def _unpassed(config: Config, names: Iterator[str] | tuple[str, ...] | dict[str, str], where: Path) -> Iterator[Wrong]:
    for name in names:
        if name in FORBIDDEN_HEADERS:
            yield where, f'the header "{name}" holds a credential', "look at `keys` or `groups` instead", ()
        elif name not in config.http.call_headers:
            yield where, f'the header "{name}" does not reach a call', f"add it to http.call_headers: [{name}]", ()
