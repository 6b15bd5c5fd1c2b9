"""Requests as bodies of PaLM: `generateMessage` and `generateText`, and `predict` on Vertex.

Rules:
- Instructions are the `context`; speakers are "0" (user) and "1" (model), on Vertex user and bot.
- Temperature ends at 1. The developers' API has no limit of tokens and no stop texts for messages: both are named, but
  the limit every request of Anthropic's format must have is left out.

Not here: answers (answers.py), what is no text (wire.spoken).
"""

from typing import Any, Final

from gateway.wire.foreign import without_place
from gateway.wire.openai.fields import plain_number
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, completions_pb2
from gateway.wire.spoken import Spoken, Turn, spoken

TEMPERATURE_MAX: Final = 1.0
HAS: Final = frozenset(("n", "top_k"))
HAS_ON_VERTEX: Final = HAS | {"max_tokens", "max_completion_tokens", "stop"}

# Settings of a legacy completion that this format has no place for, each with the values that ask for nothing.
UNSUPPORTED: Final[dict[str, tuple[Any, ...]]] = {
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias_json": ("{}",),
    "logprobs": (),
    "seed": (),
    "suffix": ("",),
}


def encode_request(request: chat_pb2.ChatRequest, unsupported: list[str], *, is_vertex: bool) -> JsonObject:
    """The body for a chat of any dialect; paths of what cannot be mapped are appended to `unsupported`."""
    is_limited = request.dialect == "anthropic"  # its clients must set a limit: that alone is nothing to refuse
    has = HAS_ON_VERTEX if is_vertex else HAS | ({"max_tokens"} if is_limited else set())
    said = spoken(request, unsupported, has=has)
    settings = _sampling(said.settings)
    if is_vertex:
        settings |= _limits(said.settings)
        return {"instances": [_conversation(said, ("user", "bot"))], "parameters": settings}
    return {"prompt": _conversation(said, ("0", "1")), **settings}


def encode_completion(
    request: completions_pb2.CompletionRequest, unsupported: list[str], *, is_vertex: bool
) -> JsonObject:
    """The body for a legacy completion of one prompt."""
    unsupported += without_place(request, UNSUPPORTED)
    if len(request.prompt.texts) != 1:
        unsupported.append("prompt")
    prompt = request.prompt.texts[0] if request.prompt.texts else ""
    settings = _sampling(request) | _limits(request)
    if is_vertex:
        return {"instances": [{"prompt": prompt}], "parameters": settings}
    return {"prompt": {"text": prompt}, **settings}


def _conversation(said: Spoken, authors: tuple[str, str]) -> JsonObject:
    messages = [_message(turn, authors) for turn in said.turns]
    return {**({"context": said.instructions} if said.instructions else {}), "messages": messages}


def _message(turn: Turn, authors: tuple[str, str]) -> JsonObject:
    return {"author": authors[turn.is_model], "content": turn.text}


def _sampling(request: Any) -> JsonObject:
    out: JsonObject = {}
    if request.HasField("temperature"):
        out["temperature"] = plain_number(min(request.temperature, TEMPERATURE_MAX))
    if request.HasField("n"):
        out["candidateCount"] = request.n
    if request.HasField("top_p"):
        out["topP"] = plain_number(request.top_p)
    if getattr(request, "top_k", 0):
        out["topK"] = request.top_k
    return out


def _limits(request: Any) -> JsonObject:
    out: JsonObject = {}
    for name in ("max_completion_tokens", "max_tokens"):
        if getattr(request, name, 0):
            out["maxOutputTokens"] = getattr(request, name)
            break
    if request.stop:
        out["stopSequences"] = list(request.stop)
    return out
