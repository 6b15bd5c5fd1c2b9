"""Conditional rules: does a call meet a condition.

Rules:
    - All that is written must hold; of a list, one of its values. An empty condition holds for every call.
    - Globs as everywhere: `*` and `?`. A header or member that is absent matches no glob.
Not here:
    - What a rule then does (routing.plan).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.config.choice import CompiledRule
from gateway.config.schema.routing import Condition
from gateway.core.globs import matches
from gateway.routing.facts import Facts


def first_rule(rules: Iterable[CompiledRule], facts: Facts) -> CompiledRule | None:
    """The first rule whose condition holds."""
    return next((rule for rule in rules if holds(rule.when, facts)), None)


def holds(when: Condition, facts: Facts) -> bool:
    """Whether the call meets the condition."""
    return (
        (not when.keys or facts.key_id in when.keys)
        and (not when.groups or facts.group in when.groups)
        and (not when.models or any(matches(facts.model, glob) for glob in when.models))
        and _match(when.headers, facts.headers)
        and _match(when.metadata, facts.metadata)
        and (when.prompt_tokens_min is None or facts.prompt_tokens >= when.prompt_tokens_min)
        and (when.prompt_tokens_max is None or facts.prompt_tokens <= when.prompt_tokens_max)
        and all(need in facts.needs for need in when.needs)
    )


def _match(wanted: Mapping[str, str], given: Mapping[str, str]) -> bool:
    return all(name in given and matches(given[name], glob) for name, glob in wanted.items())
