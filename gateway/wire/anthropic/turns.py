"""A conversation of another dialect as system texts and turns that alternate.

Rules:
- Turns of role system and developer are system texts; neighbours of one role become one turn; results of tools are
  turns of the user and come first in theirs. Empty texts are left out: the format refuses them.
- Thinking without its proof (signature) is left out; other blocks without a place here are named in `unsupported`.

Not here: blocks as JSON (blocks.py), parameters (mapping.py).
"""

from gateway.wire.anthropic.blocks import input_of
from gateway.wire.json import text
from gateway.wire.openai.base64text import guessed_media_type
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.openai.tools import FUNCTION_CALL
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.proof import unpacked


class Turns:
    """A conversation on its way: system texts, and turns that alternate."""

    def __init__(self, unsupported: list[str]) -> None:
        self._unsupported = unsupported
        self._system: list[types_pb2.Block] = []
        self._turns: list[types_pb2.Message] = []
        self._call_id = ""

    def of(self, request: chat_pb2.ChatRequest) -> tuple[list[types_pb2.Block], list[types_pb2.Message]]:
        """System blocks, and the turns."""
        for at, message in enumerate(request.messages):
            path = f"messages[{at}].content"
            blocks = [
                made for place, block in enumerate(message.blocks) for made in self._blocks(block, f"{path}[{place}]")
            ]
            if message.role in ("system", "developer"):
                self._system += [block for block in blocks if block.HasField("text")]
            elif message.role == "function":
                self._add("user", [_result(self._call_id, blocks)])
            else:
                self._add("assistant" if message.role == "assistant" else "user", blocks)
        return self._system, self._turns

    def _add(self, role: str, blocks: list[types_pb2.Block]) -> None:
        if not blocks:
            return
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(types_pb2.Message(role=role))
        turn = self._turns[-1]
        results = [block for block in blocks if block.HasField("tool_result")]
        if results and any(not block.HasField("tool_result") for block in turn.blocks):  # results must come first
            blocks = [*results, *turn.blocks, *(block for block in blocks if not block.HasField("tool_result"))]
            del turn.blocks[:]
        turn.blocks.extend(blocks)

    def _blocks(self, block: types_pb2.Block, path: str) -> list[types_pb2.Block]:
        kind = block.WhichOneof("kind")
        if kind in ("text", "refusal"):
            return _texts(block)
        if kind == "tool_use":
            return [self._call(block)]
        if kind == "tool_result":
            return [self._result_of(block, path)]
        if kind == "thinking":
            thinking = block.thinking
            is_own = thinking.signature and unpacked(thinking.signature) is None
            return [block] if is_own or thinking.redacted else []
        if kind == "file":
            made = _file(block.file)
            found = [made] if made is not None else []
        elif kind in ("image", "document"):
            has_id = getattr(block, kind).HasField("file_id") or getattr(block, kind).WhichOneof("source") is None
            found = [] if has_id else [_typed(block)]
        else:
            found = []
        if not found:
            self._unsupported.append(path)
        return found

    def _call(self, block: types_pb2.Block) -> types_pb2.Block:
        call = block.tool_use
        if call.type == FUNCTION_CALL and not call.id:
            call.id = f"function_call_{len(self._turns)}"
        self._call_id = call.id
        made = types_pb2.ToolUseBlock(id=call.id, name=call.name, arguments=text(input_object(call)))
        return _marked(types_pb2.Block(tool_use=made), block)

    def _result_of(self, block: types_pb2.Block, path: str) -> types_pb2.Block:
        result = block.tool_result
        blocks = [
            made for at, inner in enumerate(result.blocks) for made in self._blocks(inner, f"{path}.content[{at}]")
        ]
        made = _result(result.tool_use_id, blocks)
        if result.is_error:
            made.tool_result.is_error = True
        return _marked(made, block)


def _typed(block: types_pb2.Block) -> types_pb2.Block:
    """An image or document that says its media type: the format requires one beside data and text."""
    media = block.image if block.HasField("image") else block.document
    if not media.media_type and media.HasField("data"):
        media.media_type = guessed_media_type(media.data)
    elif not media.media_type and media.WhichOneof("source") == "text":
        media.media_type = "text/plain"
    return block


def input_object(call: types_pb2.ToolUseBlock) -> JsonObject:
    """The `input` of a call: an object, whatever its arguments are."""
    if call.type == "custom":
        return {"input": call.arguments}
    given = input_of(call.arguments)
    return given if type(given) is dict else {"arguments": call.arguments}


def _marked(made: types_pb2.Block, block: types_pb2.Block) -> types_pb2.Block:
    if block.HasField("cache_control_json"):
        made.cache_control_json = block.cache_control_json
    return made


def _texts(block: types_pb2.Block) -> list[types_pb2.Block]:
    words = block.text or block.refusal
    return [_marked(types_pb2.Block(text=words), block)] if words else []


def _result(call_id: str, blocks: list[types_pb2.Block]) -> types_pb2.Block:
    return types_pb2.Block(tool_result=types_pb2.ToolResultBlock(tool_use_id=call_id, blocks=blocks))


def _file(file: types_pb2.FileBlock) -> types_pb2.Block | None:
    """A file as an image or a document, if this format takes one of its media type."""
    if file.HasField("url"):
        return types_pb2.Block(document=types_pb2.DocumentBlock(url=file.url))
    media_type = file.media_type.partition(";")[0] or ("application/pdf" if file.data[:4] == b"%PDF" else "")
    if not file.data:
        return None
    if media_type.startswith("image/"):
        return types_pb2.Block(image=types_pb2.ImageBlock(data=file.data, media_type=media_type))
    document = types_pb2.DocumentBlock()
    if media_type == "application/pdf":
        document.data, document.media_type = file.data, media_type
    elif media_type.startswith("text/") or media_type == "application/json":
        document.text = file.data.decode("utf-8", "replace")
    else:
        return None
    document = _typed(types_pb2.Block(document=document)).document
    if file.filename:
        document.title = file.filename
    return types_pb2.Block(document=document)
