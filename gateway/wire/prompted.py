"""Legacy text completions as chats, for models that only chat: the prompt is the user's one turn, the answer its text.

Rules:
- One text is a prompt; several, and token ids, are none a chat can have.
- What a chat has no place for is named in `unsupported`, unless it asks for nothing; members nobody knows among it, so
  that none of a completion becomes one of a chat.
- Of an answer its text is told, and what the model refused in words; thinking is left out. `echo` puts the prompt
  before the text of each choice.
- A request and the events of a stream are copied, never changed.

Not here: which deployments take them so (config.catalogue), completions themselves (openai/completions.py).
"""

from typing import Any, Final

from gateway.wire.foreign import is_foreign, stripped
from gateway.wire.json import loads
from gateway.wire.pb import chat_pb2, completions_pb2

OBJECT: Final = "text_completion"
PATHS: Final = {"max_completion_tokens": "max_tokens", "messages": "prompt"}
"""Members of the chat -> those of the completion they come from."""
_SAME: Final = (
    "temperature", "top_p", "n", "presence_penalty", "frequency_penalty", "logit_bias_json", "seed", "user", "stream",
    "is_stop_string",
)  # fmt: skip
_HEAD: Final = ("id", "created", "model", "system_fingerprint")
_ENDS: Final = {"tool_calls": "stop", "function_call": "stop"}
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_CHAT_ID, _ID = "chatcmpl-", "cmpl-"


def prompt_of(request: completions_pb2.CompletionRequest) -> str | None:
    """The prompt; None where there is not exactly one text."""
    prompt = request.prompt
    return prompt.texts[0] if len(prompt.texts) == 1 and not prompt.tokens else None


def as_chat(request: completions_pb2.CompletionRequest, unsupported: list[str]) -> chat_pb2.ChatRequest:
    """The chat that asks for the same. Raises JsonInvalid for an `extra` that is no JSON."""
    made = chat_pb2.ChatRequest(model=request.model, stop=request.stop)
    for name in _SAME:
        if request.HasField(name):
            setattr(made, name, getattr(request, name))
    if request.HasField("stream_options"):
        made.stream_options.CopyFrom(request.stream_options)
    if request.max_tokens:
        made.max_completion_tokens = request.max_tokens
    made.messages.add(role="user").blocks.add(text=prompt_of(request) or "")
    unsupported += _without_place(request)
    return made


def _without_place(request: completions_pb2.CompletionRequest) -> list[str]:
    is_asked = {
        "best_of": request.best_of > max(1, request.n),
        "logprobs": request.HasField("logprobs"),
        "max_tokens": request.HasField("max_tokens") and not request.max_tokens,
        "suffix": bool(request.suffix),
    }
    kept: dict[str, Any] = loads(request.extra.encode(), depth_max=1000) if request.extra else {}
    unknown = [name for name, value in kept.items() if value not in _NOTHING]
    return [name for name, is_it in is_asked.items() if is_it] + unknown


def answered(response: chat_pb2.ChatResponse, echo: str) -> completions_pb2.CompletionResponse:
    """A chat's whole answer as a completion's, each text behind `echo`."""
    plain = stripped(response) if is_foreign(response.dialect) else response
    made = _headed(plain)
    for choice in plain.choices:
        said = "".join([block.text or block.refusal for block in choice.message.blocks])
        made.choices.add(index=choice.index, text=echo + said)
        _end(made.choices[-1], choice.finish_reason)
    return made


def _headed(told: Any) -> completions_pb2.CompletionResponse:
    """A completion's answer or chunk without choices, of the same answer as a chat's."""
    made = completions_pb2.CompletionResponse(object=OBJECT)
    for name in _HEAD:
        if told.HasField(name):
            setattr(made, name, getattr(told, name))
    if made.id.startswith(_CHAT_ID):
        made.id = _ID + made.id.removeprefix(_CHAT_ID)
    if told.HasField("usage"):
        made.usage.CopyFrom(told.usage)
    elif "usage" in told.nulls:
        made.nulls.append("usage")
    return made


def _end(choice: completions_pb2.CompletionChoice, reason: str) -> None:
    if reason:
        choice.finish_reason = _ENDS.get(reason, reason)


class Texts:
    """One stream: the chunks of a chat become those of a completion; nothing waits."""

    __slots__ = ("_echo", "_echoed", "_is_text_last")

    is_holding = False

    def __init__(self, echo: str) -> None:
        self._echo = echo
        self._echoed: set[int] = set()
        self._is_text_last = False  # whether the last chunk was one text, which a `str` repeats

    def events(self, event: Any) -> list[Any]:
        """What a client gets of an event; a `str` stands for the last chunk's one increment."""
        if not isinstance(event, chat_pb2.ChatChunk):
            return [event] if self._is_text_last else []
        made = _headed(event)
        for choice in event.choices:
            self._add(made, choice)
        blocks = [block for choice in event.choices for block in choice.delta.blocks]
        self._is_text_last = len(event.choices) == len(blocks) == 1 and blocks[0].HasField("text")
        return [made] if made.choices or made.HasField("usage") else []

    def released(self) -> list[Any]:
        """Nothing waits."""
        return []

    def _add(self, made: completions_pb2.CompletionResponse, choice: chat_pb2.ChoiceDelta) -> None:
        said = [block.text or block.refusal for block in choice.delta.blocks if _is_said(block)]
        if self._echo and choice.index not in self._echoed:
            self._echoed.add(choice.index)
            said.insert(0, self._echo)
        if said or choice.finish_reason:
            made.choices.add(index=choice.index, text="".join(said))
            _end(made.choices[-1], choice.finish_reason)


def _is_said(block: chat_pb2.BlockDelta) -> bool:
    return block.HasField("text") or block.HasField("refusal")
