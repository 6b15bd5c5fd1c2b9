"""The body of generateContent and streamGenerateContent.

Rules:
- The system instruction is the first message, of role system; contents follow in their order.
- The model is not in the body (it is in the URL): whoever routes the request sets `model`.
- A request of another dialect is first made one of this dialect (translate.py), then written.

Not here: parts and turns (contents.py), generationConfig (settings.py), tools (tools.py).
"""

from typing import Any, Final

from gateway.wire.gemini.contents import INSTRUCTION, TURN, add_ids
from gateway.wire.gemini.groups import Group, Table, string
from gateway.wire.gemini.parts import DIALECT
from gateway.wire.gemini.settings import SETTINGS
from gateway.wire.gemini.tools import TOOL_CONFIG, TOOLS
from gateway.wire.gemini.translate import native_request
from gateway.wire.json import text
from gateway.wire.openai.mirror import JsonObject, kept_object, kept_value
from gateway.wire.pb import chat_pb2

_CONFIG: Final = "generationConfig"
_CONFIG_SNAKE: Final = "generation_config"


def _read_instruction(request: Any, said: JsonObject) -> bool:
    if type(value := said.get("systemInstruction")) is not dict:
        return False
    INSTRUCTION.decode(value, request.messages.add())
    return True


def _write_instruction(request: Any, out: JsonObject) -> None:
    if request.messages and request.messages[0].role == "system":
        out["systemInstruction"] = INSTRUCTION.encode(request.messages[0])


def _read_contents(request: Any, said: JsonObject) -> bool:
    contents = said.get("contents")
    if type(contents) is not list or not contents or not all(type(content) is dict for content in contents):
        return False
    for content in contents:
        TURN.decode(content, request.messages.add())
    return True


def _write_contents(request: Any, out: JsonObject) -> None:
    turns = [message for message in request.messages if message.role != "system"]
    if turns:
        out["contents"] = [TURN.encode(message) for message in turns]


def _read_safety(request: Any, said: JsonObject) -> bool:
    if "safetySettings" not in said:
        return False
    request.safety_settings_json = text(said["safetySettings"])
    return True


def _write_safety(request: Any, out: JsonObject) -> None:
    if request.HasField("safety_settings_json"):
        out["safetySettings"] = kept_value(request.safety_settings_json, "safety_settings_json")


REQUEST = Table(
    [
        Group(("systemInstruction",), _read_instruction, _write_instruction),
        Group(("contents",), _read_contents, _write_contents),
        TOOLS,
        TOOL_CONFIG,
        Group(("safetySettings",), _read_safety, _write_safety),
        string("cachedContent", "cached_content"),
    ]
)


def decode_request(obj: JsonObject) -> chat_pb2.ChatRequest:
    """Read a request body; any JSON object is accepted. `model` and `stream` are the URL's to say."""
    request = chat_pb2.ChatRequest(dialect=DIALECT)
    extra, absent = REQUEST.read({name: value for name, value in obj.items() if name != _CONFIG}, request)
    _read_config(obj, request, extra)
    add_ids(request.messages)
    if extra:
        request.extra = text(extra)
    request.nulls.extend(absent)
    return request


def _read_config(obj: JsonObject, request: chat_pb2.ChatRequest, extra: JsonObject) -> None:
    config = obj.get(_CONFIG, obj.get(_CONFIG_SNAKE))
    residue = SETTINGS.read(config, request)[0] if type(config) is dict else {}
    if _CONFIG not in obj:
        return
    if type(config) is not dict or _CONFIG_SNAKE in obj:
        extra[_CONFIG] = config
    elif residue or not config:
        extra[_CONFIG] = residue


def encode_request(request: chat_pb2.ChatRequest, unsupported: list[str] | None = None) -> JsonObject:
    """Return the request body of a message.

    The paths of what a request of another dialect holds and Gemini cannot take are appended to `unsupported`.
    Raises JsonInvalid for a JSON text in the message that is none.
    """
    if request.dialect != DIALECT:
        request = native_request(request, [] if unsupported is None else unsupported)
    extra = kept_object(request.extra) if request.extra else {}
    config = extra.pop(_CONFIG, {})
    out = REQUEST.write(request, extra, request.nulls)
    if type(config) is not dict or _CONFIG_SNAKE in extra:
        if _CONFIG in kept_object(request.extra):
            out[_CONFIG] = config
    else:
        written = SETTINGS.write(request, config)
        if written or (request.extra and _CONFIG in kept_object(request.extra)):
            out[_CONFIG] = written
    return out
