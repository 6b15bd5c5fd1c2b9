"""Requests as bodies of `POST /v1/complete`.

Rules:
- Turns are "\\n\\nHuman:" and "\\n\\nAssistant:", instructions stand before the first; the prompt ends where the model
  goes on, which is in its own turn if that came last.
- No text can end its turn: in "\\n\\nHuman:" and "\\n\\nAssistant:" of a text, a space goes before the name.
- Temperature ends at 1; the limit of tokens is required and gets a default.

Not here: answers (answers.py), what is no text (wire.spoken).
"""

import re
from typing import Final

from gateway.wire.openai.fields import plain_number
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2
from gateway.wire.spoken import Turn, spoken

HAS: Final = frozenset(("max_tokens", "max_completion_tokens", "top_k", "stop"))
TEMPERATURE_MAX: Final = 1.0
MAX_TOKENS_DEFAULT: Final = 4096
_SPEAKERS = ("Human", "Assistant")
_FORGED = re.compile(r"\n\n(?=\s*(?:Human|Assistant):)")


def encode_request(
    request: chat_pb2.ChatRequest, unsupported: list[str], *, max_tokens: int = MAX_TOKENS_DEFAULT
) -> JsonObject:
    """The body for a chat of any dialect; paths of what cannot be mapped are appended to `unsupported`.

    `max_tokens` is sent where the request sets no limit.
    """
    said = spoken(request, unsupported, has=HAS)
    asked = said.settings
    out: JsonObject = {"model": asked.model, "prompt": _prompt(said.instructions, said.turns)}
    limits = [getattr(asked, name) for name in ("max_completion_tokens", "max_tokens") if asked.HasField(name)]
    out["max_tokens_to_sample"] = limits[0] if limits else max_tokens
    if asked.HasField("temperature"):
        out["temperature"] = plain_number(min(asked.temperature, TEMPERATURE_MAX))
    if asked.HasField("top_p"):
        out["top_p"] = plain_number(asked.top_p)
    if asked.HasField("top_k"):
        out["top_k"] = asked.top_k
    if stop := [text for text in asked.stop if text.strip()]:
        out["stop_sequences"] = stop
    if user := asked.safety_identifier or asked.user:
        out["metadata"] = {"user_id": user}
    return out


def _prompt(instructions: str, turns: list[Turn]) -> str:
    """The conversation as one text; it begins with the user, because the format wants that."""
    lead = [Turn(is_model=False, text="")] if turns[0].is_model else []
    text = _safe(instructions) + "".join(map(_turn, [*lead, *turns]))
    return text if turns[-1].is_model else f"{text}\n\nAssistant:"


def _turn(turn: Turn) -> str:
    words = _safe(turn.text)
    return f"\n\n{_SPEAKERS[turn.is_model]}:{' ' if words else ''}{words.rstrip() if turn.is_model else words}"


def _safe(text: str) -> str:
    return _FORGED.sub("\n\n ", text)
