"""What of a call a setting such as `header:x-session-id` or `user` means.

Rules:
    - Pure lookups; an empty text means that the call has no such thing.
Not here:
    - What facts there are (routing.facts).
"""

from __future__ import annotations

from gateway.routing.facts import Facts


def value_of(facts: Facts, by: str) -> str:
    """The value of `key`, `group`, `user`, `header:NAME` or `metadata:NAME`; empty for none."""
    kind, _, name = by.partition(":")
    match kind:
        case "key":
            return facts.key_id
        case "group":
            return facts.group
        case "user":
            return facts.user
        case "header":
            return facts.headers.get(name, "")
        case _:
            return facts.metadata.get(name, "")
