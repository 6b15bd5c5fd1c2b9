"""A request of another dialect as one of this dialect: what reaches a Gemini model from OpenAI's and others' clients.

Rules:
- system and developer turns become the instruction, in their order; neighbouring turns of one role become one.
- A tool's answer is the user's, and carries the name of its call, found by id in the turns before.
- Images and files are inline when their bytes are there, and a link otherwise; nothing is fetched.
- The thought signature of a call comes back in `extra_content.google.thought_signature`, as Google's own OpenAI
  endpoint has it.
- reasoning_effort is a thinking budget (foreign.EFFORT_BUDGETS), and thoughts are asked for with it.
- What has no counterpart and would change the answer is named in `unsupported`; what only labels the call (user,
  metadata, store, cache keys, service tier, stream options) is left out.

Not here: writing the result (request.py).
"""

from collections.abc import Iterable
from typing import Final

from gateway.wire.foreign import EFFORT_BUDGETS, is_foreign, stripped, unknown_members, unknown_to_chats
from gateway.wire.gemini.parts import DIALECT, call_signature
from gateway.wire.json import text
from gateway.wire.openai.base64text import guessed_media_type
from gateway.wire.pb import chat_pb2, types_pb2

_EFFORT_BUDGET_DEFAULT: Final = EFFORT_BUDGETS["medium"]
_COPIED: Final = ("temperature", "top_p", "n", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs",
                  "seed", "top_k", "safety_settings_json", "cached_content")  # fmt: skip
_REFUSED: Final = ("logit_bias_json", "audio_json", "prediction_json", "verbosity", "moderation_json")
_SEARCH: Final = types_pb2.Tool(type="googleSearch", extra='{"googleSearch":{}}')
_SYSTEM: Final = ("system", "developer")


def native_request(request: chat_pb2.ChatRequest, unsupported: list[str]) -> chat_pb2.ChatRequest:
    """The request as one of this dialect. Raises JsonInvalid for a JSON text in it that is none."""
    plain = stripped(request)
    native = chat_pb2.ChatRequest(model=request.model, dialect=DIALECT)
    for name in _COPIED:
        if plain.HasField(name):
            setattr(native, name, getattr(plain, name))
    _limits(plain, native)
    _tools(plain, native, unsupported)
    _thinking(plain, native)
    if plain.HasField("response_format"):
        native.response_format.CopyFrom(plain.response_format)
    unsupported += [name.removesuffix("_json") for name in _REFUSED if plain.HasField(name)]
    unsupported += unknown_members(request)
    if not is_foreign(request.dialect):
        unsupported += unknown_to_chats(request)
    if plain.HasField("parallel_tool_calls") and not plain.parallel_tool_calls and native.tools:
        unsupported.append("parallel_tool_calls")
    native.messages.extend(_Turns(unsupported).of(request.messages))
    return native


def _limits(plain: chat_pb2.ChatRequest, native: chat_pb2.ChatRequest) -> None:
    for name in ("max_completion_tokens", "max_tokens"):
        if plain.HasField(name):
            native.max_completion_tokens = getattr(plain, name)
            break
    native.stop.extend(plain.stop)
    if list(plain.modalities) not in ([], ["text"]):
        native.modalities.extend(plain.modalities)


def _tools(plain: chat_pb2.ChatRequest, native: chat_pb2.ChatRequest, unsupported: list[str]) -> None:
    for at, tool in enumerate(plain.tools):
        if tool.HasField("function"):
            native.tools.add(type="function", function=tool.function)
        else:
            unsupported.append(f"tools[{at}]")
    if plain.HasField("tool_choice"):
        native.tool_choice.CopyFrom(plain.tool_choice)
    if not native.tools:
        native.ClearField("tool_choice")
    if plain.HasField("web_search_options_json"):
        native.tools.append(_SEARCH)


def _thinking(plain: chat_pb2.ChatRequest, native: chat_pb2.ChatRequest) -> None:
    budget = _budget(plain)
    if budget is not None:
        native.thinking.budget_tokens = budget
        if budget:
            native.thinking.extra = text({"includeThoughts": True})


def _budget(plain: chat_pb2.ChatRequest) -> int | None:
    """Tokens to think with: 0 none, -1 as many as the model wants, None when nothing was said."""
    if plain.HasField("thinking") and plain.thinking.type:
        if plain.thinking.type == "disabled":
            return 0
        return plain.thinking.budget_tokens if plain.thinking.HasField("budget_tokens") else -1
    if not plain.HasField("reasoning_effort"):
        return None
    if plain.reasoning_effort == "none":
        return 0
    return EFFORT_BUDGETS.get(plain.reasoning_effort, _EFFORT_BUDGET_DEFAULT)


class _Turns:
    """The conversation, turn by turn; remembers which call has which name."""

    def __init__(self, unsupported: list[str]) -> None:
        self._unsupported = unsupported
        self._names: dict[str, str] = {}
        self._last_name = ""

    def of(self, messages: Iterable[types_pb2.Message]) -> list[types_pb2.Message]:
        instruction = types_pb2.Message(role="system")
        turns: list[types_pb2.Message] = []
        for at, message in enumerate(messages):
            blocks: list[types_pb2.Block] = []
            for n, block in enumerate(message.blocks):
                blocks += self._blocks(block, f"messages[{at}]", n, message)
            if message.role in _SYSTEM:
                instruction.blocks.extend(blocks)
                continue
            role = "assistant" if message.role == "assistant" else "user"
            if turns and turns[-1].role == role:
                turns[-1].blocks.extend(blocks)
            elif blocks:
                turns.append(types_pb2.Message(role=role, blocks=blocks))
        return [instruction, *turns] if instruction.blocks else turns

    def _blocks(self, block: types_pb2.Block, path: str, at: int, message: types_pb2.Message) -> list[types_pb2.Block]:
        kind = block.WhichOneof("kind")
        if _is_empty(block, kind) and (message.role == "assistant" or len(message.blocks) > 1):
            return []  # Gemini refuses empty texts; OpenAI's clients send them beside calls
        native = _COPIES.get(kind or "", _unknown)(block)
        if kind == "tool_use":
            self._call(block.tool_use)
        if kind == "tool_result":
            return self._result(block.tool_result, path)
        if message.role == "function" and kind == "text":
            return [self._answer(block.text, message.name)]
        if native is None and kind != "thinking":
            self._unsupported.append(f"{path}.content[{at}]")
        return [] if native is None else [native]

    def _call(self, call: types_pb2.ToolUseBlock) -> None:
        self._last_name = call.name
        if call.id:
            self._names[call.id] = call.name

    def _result(self, result: types_pb2.ToolResultBlock, path: str) -> list[types_pb2.Block]:
        name = self._names.get(result.tool_use_id) or self._last_name or "unknown"
        texts = [item for item in result.blocks if item.HasField("text") or item.HasField("document")]
        native = types_pb2.ToolResultBlock(blocks=texts or [types_pb2.Block(text="")], extra=text({"name": name}))
        if result.HasField("tool_use_id"):
            native.tool_use_id = result.tool_use_id
        if result.is_error:
            native.is_error = True
        media = [copy for item in result.blocks if not _is_text(item) and (copy := self._medium(item, path))]
        return [types_pb2.Block(tool_result=native), *media]

    def _medium(self, block: types_pb2.Block, path: str) -> types_pb2.Block | None:
        native = _COPIES.get(block.WhichOneof("kind") or "", _unknown)(block)
        if native is None:
            self._unsupported.append(f"{path}.content")
        return native

    def _answer(self, said: str, name: str) -> types_pb2.Block:
        result = types_pb2.ToolResultBlock(blocks=[types_pb2.Block(text=said)], extra=text({"name": name}))
        return types_pb2.Block(tool_result=result)


def _is_empty(block: types_pb2.Block, kind: str | None) -> bool:
    return kind in ("text", "refusal") and not (block.text or block.refusal)


def _is_text(block: types_pb2.Block) -> bool:
    return block.HasField("text") or block.HasField("document")


def _unknown(_block: types_pb2.Block) -> types_pb2.Block | None:
    return None


def _text(block: types_pb2.Block) -> types_pb2.Block | None:
    return types_pb2.Block(text=block.text or block.refusal)


def _image(block: types_pb2.Block) -> types_pb2.Block | None:
    image = block.image
    source = image.WhichOneof("source")
    if source == "data":
        media_type = image.media_type or guessed_media_type(image.data)
        return types_pb2.Block(image=types_pb2.ImageBlock(data=image.data, media_type=media_type))
    if source != "url" or image.url.startswith("data:"):
        return None
    media_type = image.media_type or _media_type_of(image.url, "image/jpeg")
    return types_pb2.Block(image=types_pb2.ImageBlock(url=image.url, media_type=media_type))


def _audio(block: types_pb2.Block) -> types_pb2.Block | None:
    if not block.audio.HasField("data"):
        return None
    return types_pb2.Block(audio=types_pb2.AudioBlock(data=block.audio.data, format=block.audio.format or "wav"))


def _file(block: types_pb2.Block) -> types_pb2.Block | None:
    file = block.file
    if file.HasField("data"):
        media_type = file.media_type or guessed_media_type(file.data)
        return types_pb2.Block(file=types_pb2.FileBlock(data=file.data, media_type=media_type))
    url = file.url or (file.file_id if "://" in file.file_id else "")
    return _linked(url, file.media_type)


def _document(block: types_pb2.Block) -> types_pb2.Block | None:
    document = block.document
    source = document.WhichOneof("source")
    if source == "text":
        return types_pb2.Block(text=document.text)
    if source == "data":
        media_type = document.media_type or guessed_media_type(document.data)
        return types_pb2.Block(file=types_pb2.FileBlock(data=document.data, media_type=media_type))
    return _linked(document.url, document.media_type) if source == "url" else None


def _linked(url: str, media_type: str) -> types_pb2.Block | None:
    if "://" not in url:
        return None
    file = types_pb2.FileBlock(url=url, media_type=media_type or _media_type_of(url, "application/pdf"))
    return types_pb2.Block(file=file)


def _tool_use(block: types_pb2.Block) -> types_pb2.Block | None:
    call = block.tool_use
    native = types_pb2.ToolUseBlock(name=call.name, arguments=call.arguments or "{}")
    if call.id:
        native.id = call.id
    signature = call_signature(block.extra)
    return types_pb2.Block(tool_use=native, extra=text({"thoughtSignature": signature}) if signature else "")


_COPIES = {
    "text": _text,
    "refusal": _text,
    "image": _image,
    "audio": _audio,
    "file": _file,
    "document": _document,
    "tool_use": _tool_use,
}
_SUFFIXES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
             "pdf": "application/pdf", "mp4": "video/mp4", "mp3": "audio/mp3", "wav": "audio/wav",
             "txt": "text/plain"}  # fmt: skip


def _media_type_of(url: str, otherwise: str) -> str:
    """The media type the end of a URL's path suggests; Gemini wants one with every link."""
    path = url.partition("?")[0].partition("#")[0]
    return _SUFFIXES.get(path.rpartition(".")[2].lower(), otherwise)
