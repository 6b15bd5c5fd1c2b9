"""Amazon Bedrock's wire formats, simulated: Converse, ConverseStream, and InvokeModel of embeddings.

Rules:
- Pure; a key may come signed (aws.py) or as a bearer token.
- A request the vendor would refuse is refused: what is missing, or a member of another format.
- A text or a thought is not announced before its first increment, a call is.
- Of InvokeModel a name with `cohere` takes Cohere's body, any other Titan's.

Not here: what is said (answer.py), faults and bytes (play.py), binary framing (frames.py).
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from gateway.simulator.answer import TOKENS_PER_PART, Answer, Question, Tool, answer, check, count_tokens
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.openai import unit_vector
from gateway.simulator.openai_chat import digest
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply

SIGNATURE = "c2lnbmF0dXJl"
_STEP = 8  # characters of input in one increment
_MEMBERS = frozenset(
    ("messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields",
     "additionalModelResponseFieldPaths", "promptVariables", "requestMetadata", "performanceConfig", "outputConfig"),
)  # fmt: skip
_BLOCKS = frozenset(("text", "image", "document", "toolUse", "toolResult", "reasoningContent", "cachePoint"))
TITAN_DIMENSIONS = (256, 512, 1024)
COHERE_DIMENSIONS = (256, 512, 1024, 1536)
MAX_TEXTS = 96
_TITAN_MEMBERS = frozenset(("inputText", "dimensions", "normalize", "embeddingTypes"))
_COHERE_MEMBERS = frozenset(("texts", "input_type", "truncate", "embedding_types", "output_dimension"))
_STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}


class Bedrock:
    """The format as the server uses it (see reply.WireFormat)."""

    routes: tuple[Route, ...] = (
        Route("POST", "/model/{model:.+}/converse", "converse"),
        Route("POST", "/model/{model:.+}/converse-stream", "converse-stream"),
        Route("POST", "/model/{model:.+}/invoke", "invoke"),
    )
    error_event: str | None = "internalServerException"

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """A bearer token; signatures are looked at by the server, which has the body."""
        return hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {key}".encode())

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        """Decode a request. Raises Refused."""
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError:
            fields = None
        if not isinstance(fields, dict):
            raise Refused(400, None, "The body is not a JSON object.")
        return Ask(operation, params["model"], operation == "converse-stream", fields)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """Return the healthy answer of a model that behaves so. Raises Refused."""
        if ask.operation == "invoke":
            return _cohere(ask.body, behaviour) if "cohere" in ask.model else _titan(ask.body, behaviour)
        _check(ask.body)
        question = _question(ask.body)
        check(question, behaviour)
        additional = ask.body.get("additionalModelRequestFields") or {}
        if (additional.get("thinking") or {}).get("type") == "enabled":
            behaviour = replace(behaviour, is_reasoning=True)
        said = answer(question, behaviour)
        reason = "end_turn" if said.refusal else _STOP[said.finish]
        tail: Json = {"metrics": {"latencyMs": 1}}
        if not behaviour.is_usage_omitted:
            counts = (question.prompt_tokens, said.tokens)
            tail["usage"] = {"inputTokens": counts[0], "outputTokens": counts[1], "totalTokens": sum(counts)}
        if ask.is_stream:
            return _stream(said, reason, tail)
        return {"output": {"message": {"role": "assistant", "content": _blocks(said)}}, "stopReason": reason, **tail}

    def error(self, refused: Refused) -> Json:
        """Amazon's error object."""
        return {"message": refused.message}

    def bench(self, operation: str) -> Canned | None:  # an argument of every format
        """None: load tests drive OpenAI's format."""
        return None


def _blocks(said: Answer) -> list[Json]:
    blocks: list[Json] = []
    if said.reasoning:
        thought = {"text": "".join(said.reasoning), "signature": SIGNATURE}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if words := "".join(said.refusal or said.pieces):
        blocks.append({"text": words})
    for at, (tool, arguments) in enumerate(said.calls):
        blocks.append({"toolUse": {**_use(at, tool, arguments), "input": orjson.loads(arguments)}})
    return blocks


def _use(at: int, tool: Tool, arguments: str) -> Json:
    return {"toolUseId": "tooluse_" + digest(f"{at}{tool.name}{arguments}".encode()), "name": tool.name}


def _stream(said: Answer, reason: str, tail: Json) -> StreamReply:
    def content() -> Iterator[Frame]:
        at = 0
        if said.reasoning:
            for piece in said.reasoning:
                yield _delta(at, reasoningContent={"text": piece})
            yield _delta(at, reasoningContent={"signature": SIGNATURE})
            yield Frame({"contentBlockIndex": at}, "contentBlockStop")
            at += 1
        pieces = said.refusal or said.pieces
        for piece in pieces:
            yield _delta(at, text=piece)
        if pieces:
            yield Frame({"contentBlockIndex": at}, "contentBlockStop")
            at += 1
        for number, (tool, arguments) in enumerate(said.calls):
            begun = {"toolUse": _use(number, tool, arguments)}
            yield Frame({"contentBlockIndex": at, "start": begun}, "contentBlockStart")
            for place in range(0, len(arguments), _STEP):
                yield _delta(at, toolUse={"input": arguments[place : place + _STEP]})
            yield Frame({"contentBlockIndex": at}, "contentBlockStop")
            at += 1

    opening = (Frame({"role": "assistant"}, "messageStart"),)
    end = (Frame({"stopReason": reason}, "messageStop"), Frame(tail, "metadata"))
    return StreamReply(opening, content(), (), end, is_amazon=True)


def _delta(at: int, **delta: Any) -> Frame:
    return Frame({"contentBlockIndex": at, "delta": delta}, "contentBlockDelta")


# embeddings


def _titan(body: Json, behaviour: Behaviour) -> Json:
    text, size = body.get("inputText"), body.get("dimensions", TITAN_DIMENSIONS[-1])
    if not _TITAN_MEMBERS.issuperset(body) or not isinstance(text, str) or not text:
        raise Refused(400, None, "Malformed input request, please reformat your input and try again.")
    if size not in TITAN_DIMENSIONS:
        raise Refused(400, None, f"dimensions must be one of {TITAN_DIMENSIONS}")
    check(Question("", count_tokens(text)), behaviour)
    vector = unit_vector(text, size)
    counts = {} if behaviour.is_usage_omitted else {"inputTextTokenCount": count_tokens(text)}
    return {"embedding": vector, "embeddingsByType": {"float": vector}, **counts}


def _cohere(body: Json, behaviour: Behaviour) -> Json:
    texts, size = body.get("texts"), body.get("output_dimension", COHERE_DIMENSIONS[-1])
    if not _COHERE_MEMBERS.issuperset(body) or not body.get("input_type") or body.get("embedding_types") != ["float"]:
        raise Refused(400, None, "Malformed input request, please reformat your input and try again.")
    if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_TEXTS or size not in COHERE_DIMENSIONS:
        raise Refused(400, None, f"texts must be at most {MAX_TEXTS}, output_dimension one of {COHERE_DIMENSIONS}")
    check(Question("", sum(map(count_tokens, texts))), behaviour)
    vectors = {"float": [unit_vector(text, size) for text in texts]}
    return {"id": digest(orjson.dumps(texts)), "texts": texts, "response_type": "embeddings_by_type",
            "embeddings": vectors}  # fmt: skip


# questions


def _check(body: Json) -> None:
    for name in body:
        if name not in _MEMBERS:
            raise Refused(400, None, f"Unknown member {name}.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, None, "A conversation must have a message.")
    if messages[0].get("role") != "user":
        raise Refused(400, None, "A conversation must start with a user message.")
    for before, message in zip([{}, *messages], messages, strict=False):
        if message.get("role") not in ("user", "assistant") or message["role"] == before.get("role"):
            raise Refused(400, None, "The roles user and assistant must alternate.")
        if not isinstance(message.get("content"), list) or not message["content"]:
            raise Refused(400, None, "The content of a message must not be empty.")
        for block in message["content"]:
            if len(block) != 1 or not _BLOCKS.issuperset(block) or block.get("text") == "":
                raise Refused(400, None, "A block must have one known member that is not blank.")
    for tool in (body.get("toolConfig") or {}).get("tools") or ():
        if "toolSpec" in tool and tool["toolSpec"]["inputSchema"]["json"].get("type") != "object":
            raise Refused(400, None, "The inputSchema of a tool must be an object.")


def _question(body: Json) -> Question:
    messages = body["messages"]
    last = next(item["content"] for item in reversed(messages) if item["role"] == "user")
    config = body.get("toolConfig") or {}
    choice = config.get("toolChoice") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    tools = tuple(Tool(spec["name"], spec["inputSchema"]["json"]) for spec in specs)
    if "tool" in choice:
        tools = tuple(tool for tool in tools if tool.name == choice["tool"]["name"])
    inference = body.get("inferenceConfig") or {}
    blocks = [*(body.get("system") or ()), *(block for item in messages for block in item["content"])]
    return Question(
        text=_text_of(last),
        prompt_tokens=sum(map(_tokens, blocks)),
        part_count=sum("image" in block or "document" in block for block in last),
        tool_results=tuple(_text_of(block["toolResult"]["content"]) for block in last if "toolResult" in block),
        is_prefilled=messages[-1]["role"] == "assistant",
        tools=tools,
        must_call="any" in choice or "tool" in choice,
        shape=_shape(body.get("outputConfig") or {}),
        stop=tuple(inference.get("stopSequences") or ()),
        max_tokens=inference.get("maxTokens"),
    )


def _shape(output: Json) -> Any:
    """The schema of the answer, which comes as a text."""
    wanted = output.get("textFormat") or {}
    return orjson.loads(wanted["structure"]["jsonSchema"]["schema"]) if wanted else None


def _text_of(blocks: list[Json]) -> str:
    return " ".join(str(block["text"]) for block in blocks if "text" in block)


def _tokens(block: Json) -> int:
    if "toolResult" in block:
        return sum(map(_tokens, block["toolResult"]["content"]))
    return TOKENS_PER_PART if "image" in block or "document" in block else count_tokens(str(block.get("text", "")))
