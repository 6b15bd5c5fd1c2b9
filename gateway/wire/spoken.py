"""What is left of a request for formats that know only text: instructions, and turns of two speakers.

Rules:
- Pure, and made from a request of any dialect. Neighbouring turns of one speaker are one; empty ones are left out.
- What is no text, and every setting the format has no place for, is named in `unsupported` by its path, unless leaving
  it out changes no answer (hints, tags, thinking of earlier turns).

Not here: the bodies of such formats (palm/, anthropic_complete/).
"""

from typing import Any, Final, NamedTuple

from gateway.wire.foreign import OPENAI, stripped, unknown_members, unknown_to_chats, without_place
from gateway.wire.pb import chat_pb2, types_pb2

NOTHING: Final[dict[str, tuple[Any, ...]]] = {
    "max_tokens": (),
    "max_completion_tokens": (),
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias_json": ("{}",),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "seed": (),
    "audio_json": (),
    "prediction_json": (),
    "web_search_options_json": (),
    "functions_json": ("[]",),
    "function_call_json": ('"none"',),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "top_k": (),
    "safety_settings_json": ("[]",),
    "cached_content": (),
    "moderation_json": (),
}
"""Settings such formats may have no place for, each with the values that ask for nothing."""


class Turn(NamedTuple):
    """What one speaker said in a row."""

    is_model: bool
    text: str


class Spoken(NamedTuple):
    """A conversation in words. `settings` is the request with the fields every dialect understands."""

    instructions: str
    turns: list[Turn]
    settings: chat_pb2.ChatRequest


def spoken(request: chat_pb2.ChatRequest, unsupported: list[str], *, has: frozenset[str]) -> Spoken:
    """The words of a request; `has` names the settings the format has a place for.

    Instructions alone are a turn of the user. Raises JsonInvalid for a JSON text in the message that is none.
    """
    is_openai = request.dialect in OPENAI
    if is_openai:
        unsupported += unknown_to_chats(request)
    else:
        unsupported += unknown_members(request)
    plain = stripped(request)
    unsupported += _unsupported(plain, has)
    instructions: list[str] = []
    turns: list[Turn] = []
    for at, message in enumerate(plain.messages):
        texts = _texts(message, f"messages[{at}].content", unsupported)
        if message.role in ("system", "developer"):
            instructions += texts
        elif texts:
            _add(turns, Turn(message.role == "assistant", "\n".join(texts)))
    words = "\n\n".join(instructions)
    return Spoken(words, turns, plain) if turns else Spoken("", [Turn(is_model=False, text=words)], plain)


def _unsupported(request: chat_pb2.ChatRequest, has: frozenset[str]) -> list[str]:
    names = [name for name in without_place(request, NOTHING) if name not in has]
    is_asked = {
        "stop": bool(request.stop) and "stop" not in has,
        "tools": bool(request.tools),
        "modalities": "audio" in request.modalities,
        "response_format": request.response_format.type not in ("", "text"),
        "thinking": request.HasField("thinking") and request.thinking.type != "disabled",
    }
    return names + [name for name, is_it in is_asked.items() if is_it]


def _texts(message: types_pb2.Message, path: str, unsupported: list[str]) -> list[str]:
    texts: list[str] = []
    for at, block in enumerate(message.blocks):
        kind = block.WhichOneof("kind")
        if kind in ("text", "refusal"):
            texts += [words] if (words := block.text or block.refusal) else []
        elif kind == "document" and block.document.HasField("text"):
            texts.append(block.document.text)
        elif kind != "thinking":
            unsupported.append(f"{path}[{at}]")
    return texts


def _add(turns: list[Turn], turn: Turn) -> None:
    if turns and turns[-1].is_model == turn.is_model:
        turns[-1] = Turn(turn.is_model, f"{turns[-1].text}\n\n{turn.text}")
    else:
        turns.append(turn)
