"""What limits are counted by may not stand in the `extra` of a request made outside JSON.

`extra` wins when a body is written, so a gRPC caller could have one value counted and priced, and another one sent.

Rules: names of every dialect count in every dialect but OpenAI's, whose typed fields are compared one by one.
Not here: OpenAI's own members (openai/disputes.py).
"""

from typing import Any, Final

from gateway.wire.foreign import is_foreign
from gateway.wire.json import loads

_COUNTED: Final = frozenset(
    ("model", "messages", "contents", "content", "input", "n", "best_of", "system", "systemInstruction", "max_tokens",
     "max_completion_tokens", "max_output_tokens", "maxOutputTokens"),
)  # fmt: skip
_OF_CONFIG: Final = ("candidateCount", "candidate_count", "maxOutputTokens", "max_output_tokens")


def counted_in_extra(request: Any) -> str | None:
    """The first member that limits are counted by in the `extra` of a request of another dialect than OpenAI's.

    Raises JsonInvalid for an `extra` that is no JSON.
    """
    if not request.extra or not is_foreign(getattr(request, "dialect", "")):
        return None
    extra = loads(request.extra.encode())
    if not isinstance(extra, dict):
        return None
    found = next((name for name in extra if name in _COUNTED), None)
    return found or _of_batch(extra.get("requests")) or _of_settings(extra)


def _of_batch(requests: Any) -> str | None:
    """In the texts of Gemini's batchEmbedContents."""
    for at, item in enumerate(requests if isinstance(requests, list) else ()):
        if not isinstance(item, dict) or "content" in item:
            return f"requests[{at}].content"
    return None


def _of_settings(extra: dict[str, Any]) -> str | None:
    """In Gemini's generationConfig, whose other members are free."""
    for member in ("generationConfig", "generation_config"):
        config = extra.get(member)
        if isinstance(config, dict) and (name := next((name for name in _OF_CONFIG if name in config), None)):
            return f"{member}.{name}"
    return None
