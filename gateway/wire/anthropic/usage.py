"""What a call consumed: here `input_tokens` excludes cached tokens, in our Usage `prompt_tokens` includes them.

Rules:
- Each member that is a whole number has its typed field; the sums are taken apart again when written.
- How the call was processed (`service_tier`) is told twice: in its field, and as it was written.
- A number too large for its field, and everything else, stays in `extra`.

Not here: adding up a stream's reports (events.py).
"""

from typing import Any, Final

from gateway.wire.json import text
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject, add_kept
from gateway.wire.pb import types_pb2

_MAX = 2**60  # sums of three stay within 64 bits
_READ, _WRITE = "cache_read_input_tokens", "cache_creation_input_tokens"
COUNTS: Final = ("input_tokens", "output_tokens", _READ, _WRITE)


def read_usage(obj: JsonObject, usage: types_pb2.Usage) -> None:
    """Read the member `usage` into an empty Usage."""
    usage.SetInParent()
    counts = {name: obj[name] for name in COUNTS if _is_count(obj.get(name))}
    set_counts(usage, counts)
    rest = {name: value for name, value in obj.items() if name not in counts}
    usage.nulls.extend(name for name in COUNTS if name in rest and rest.pop(name, 0) is None)
    kept = {name: obj[name] for name in obj if name not in counts and name not in usage.nulls}
    if kept:
        usage.extra = text(kept)
        if is_text(tier := kept.get("service_tier", "")):
            usage.service_tier = tier


def set_counts(usage: types_pb2.Usage, counts: dict[str, int]) -> None:
    """Set the typed fields from Anthropic's counts."""
    cached, written = counts.get(_READ), counts.get(_WRITE)
    if cached is not None:
        usage.prompt_tokens_details.cached_tokens = cached
    if written is not None:
        usage.prompt_tokens_details.cache_write_tokens = written
    if "input_tokens" in counts:
        usage.prompt_tokens = counts["input_tokens"] + (cached or 0) + (written or 0)
    if "output_tokens" in counts:
        usage.completion_tokens = counts["output_tokens"]
    if "input_tokens" in counts and "output_tokens" in counts:
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens


def _is_count(value: Any) -> bool:
    return type(value) is int and -_MAX < value < _MAX


def counts_of(usage: types_pb2.Usage) -> dict[str, int]:
    """Anthropic's counts of a Usage, those it has."""
    details = usage.prompt_tokens_details
    cached, written = details.cached_tokens, details.cache_write_tokens
    out = {}
    if usage.HasField("prompt_tokens"):
        out["input_tokens"] = usage.prompt_tokens - cached - written
    if usage.HasField("completion_tokens"):
        out["output_tokens"] = usage.completion_tokens
    if details.HasField("cached_tokens"):
        out[_READ] = cached
    if details.HasField("cache_write_tokens"):
        out[_WRITE] = written
    return out


def write_usage(usage: types_pb2.Usage) -> JsonObject:
    """The member `usage` of a message of this dialect."""
    out: JsonObject = dict(counts_of(usage))
    add_kept(out, usage.nulls, usage.extra)
    return out


def mapped_usage(usage: types_pb2.Usage) -> JsonObject:
    """The member `usage` of an answer of another dialect: every count is there."""
    counts = {"input_tokens": 0, "output_tokens": 0, _WRITE: 0, _READ: 0} | counts_of(usage)
    return {name: max(0, count) for name, count in counts.items()}
