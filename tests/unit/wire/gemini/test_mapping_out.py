"""Requests of Gemini's clients as an OpenAI model gets them, and its answers as those clients get them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.gemini import chat
from gateway.wire.openai import chat as openai_chat
from gateway.wire.openai.chunks import ChunkDecoder
from gateway.wire.pb import chat_pb2


def sent(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The OpenAI body for a Gemini request, and what it cannot take."""
    unsupported: list[str] = []
    request = chat.decode_request(body)
    request.model = "m"
    return openai_chat.encode_request(request, unsupported), unsupported


def test_a_conversation_with_a_tool() -> None:
    """Calls without ids get them, and answers find theirs by name, in order."""
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    result = {"functionResponse": {"name": "f", "response": {"output": "done"}}}
    body, unsupported = sent(
        {
            "systemInstruction": {"role": "user", "parts": [{"text": "be brief"}]},
            "contents": [
                {"parts": [{"text": "hi"}]},
                {"role": "model", "parts": [call, call]},
                {"role": "function", "parts": [result, result]},
            ],
            "tools": [{"function_declarations": [{"name": "f", "parameters": {
                "type": "OBJECT", "properties": {"a": {"type": "INTEGER", "nullable": True}}}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        }
    )  # fmt: skip
    assert unsupported == []
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert body["messages"][0]["content"] == "be brief"
    calls = body["messages"][2]["tool_calls"]
    assert [c["function"] for c in calls] == [{"name": "f", "arguments": '{"a":1}'}] * 2
    assert [m["tool_call_id"] for m in body["messages"][3:]] == [c["id"] for c in calls]
    assert len({c["id"] for c in calls}) == 2
    assert body["messages"][3]["content"] == "done"
    parameters = body["tools"][0]["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_settings_have_openai_names() -> None:
    """generationConfig in OpenAI's members; what it has no word for is named."""
    body, unsupported = sent(
        {
            "contents": [{"role": "user", "parts": [{"text": "x"}]}],
            "generation_config": {
                "temperature": 0.5, "topP": 0.5, "topK": 4, "candidateCount": 2, "max_output_tokens": 9,
                "stopSequences": ["x"], "responseMimeType": "application/json", "seed": 3,
                "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
                "thinkingConfig": {"thinkingBudget": 1024},
            },
        }
    )  # fmt: skip
    del body["messages"]
    assert body.pop("response_format")["json_schema"]["schema"]["properties"] == {"a": {"type": "string"}}
    assert body == {
        "model": "m", "temperature": 0.5, "top_p": 0.5, "n": 2, "max_completion_tokens": 9, "stop": ["x"], "seed": 3,
        "reasoning_effort": "minimal",
    }  # fmt: skip
    assert unsupported == ["top_k"]


def test_what_openai_cannot_take_is_named() -> None:
    """Members of the body and of generationConfig, in either spelling; labels are none of the answer's business."""
    body = {"contents": [], "newThing": 1, "labels": {"a": "b"}, "tools": [{"googleSearch": {}}],
            "generationConfig": {"speechConfig": {}, "temperature": None}}  # fmt: skip
    assert sorted(sent(body)[1]) == ["generationConfig.speechConfig", "newThing", "tools[0]"]
    assert sent({"generation_config": {"max_output_tokens": 1, "image_config": {}}})[1] == [
        "generation_config.image_config"
    ]


def test_media_go_over() -> None:
    """Inline images are data URIs, links stay links, a part nobody knows is named."""
    body, unsupported = sent(
        {"contents": [{"role": "user", "parts": [
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a.png"}},
            {"inline_data": {"mime_type": "audio/mpeg", "data": "AAAA"}},
            {"executableCode": {"code": "1"}},
        ]}]}
    )  # fmt: skip
    urls = [part["image_url"]["url"] for part in body["messages"][0]["content"][:2]]
    assert urls == ["data:image/png;base64,AAAA", "https://x.example/a.png"]
    assert body["messages"][0]["content"][2]["input_audio"] == {"data": "AAAA", "format": "mp3"}
    assert unsupported == ["messages[0].content[3]"]


USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 2},
         "completion_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
NATIVE_USAGE = {"promptTokenCount": 5, "candidatesTokenCount": 4, "thoughtsTokenCount": 3,
                "cachedContentTokenCount": 2, "totalTokenCount": 12}  # fmt: skip


def test_an_openai_answer() -> None:
    """Thoughts, text, calls, usage and the end in Gemini's words; the made answer reads back as itself."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "content": "text", "reasoning_content": "hm", "tool_calls": [call]}
    answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "up", "usage": USAGE,
              "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}  # fmt: skip
    made = chat.encode_response(openai_chat.decode_response(answer))
    assert made == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "text"},
                        {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}},
                    ],
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": NATIVE_USAGE,
        "modelVersion": "up",
        "responseId": "x",
    }
    assert chat.encode_response(chat.decode_response(made)) == made


def test_counts_that_no_sum_can_hold_are_left_out() -> None:
    """A provider that counts nonsense breaks no answer."""
    huge = dict.fromkeys(("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount"), 2**61)
    made = chat.decode_response({"candidates": [], "usageMetadata": {**huge, "thoughtsTokenCount": 2**61}})
    assert made.usage.total_tokens == 0


@pytest.mark.parametrize(
    ("finish", "native"), [("stop", "STOP"), ("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("odd", "OTHER")]
)
def test_finish_reasons_of_openai(finish: str, native: str) -> None:
    """Every one has its word."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": finish}
    made = chat.encode_response(openai_chat.decode_response({"choices": [choice]}))
    assert made["candidates"][0]["finishReason"] == native


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **members: Any) -> dict[str, Any]:
    """One chunk of an OpenAI stream."""
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **members}


def frames(*chunks: dict[str, Any]) -> list[dict[str, Any]]:
    """What a Gemini client sees of an OpenAI stream; texts travel as the shorthand where they can."""
    decoder, renderer = ChunkDecoder(), chat.ChunkRenderer()
    rendered = [frame for c in chunks for frame in renderer.render(decoder.decode(json.dumps(c).encode()))]
    assert all(event is None for event, _ in rendered)
    return [json.loads(data) for _, data in [*rendered, *renderer.finish()]]


def parts(found: list[dict[str, Any]]) -> list[Any]:
    """All parts of all frames."""
    return [p for f in found for c in f.get("candidates", ()) for p in c["content"].get("parts", ())]


def test_a_stream_of_text() -> None:
    """The role makes no frame; the last frame has the end and the usage."""
    texts = [chunk({"content": text}) for text in ("Hel", "lo", " ☃", "!")]
    found = frames(chunk({"role": "assistant", "content": ""}), *texts, chunk({}, "stop"), chunk(usage=USAGE))
    assert parts(found) == [{"text": "Hel"}, {"text": "lo"}, {"text": " ☃"}, {"text": "!"}]
    assert len(found) == 5
    assert found[0] == {
        "candidates": [{"content": {"parts": [{"text": "Hel"}], "role": "model"}, "index": 0}],
        "modelVersion": "m",
        "responseId": "c",
    }
    assert all("finishReason" not in frame["candidates"][0] for frame in found[:-1])
    assert found[-1]["candidates"][0] == {"content": {"role": "model"}, "index": 0, "finishReason": "STOP"}
    assert found[-1]["usageMetadata"] == NATIVE_USAGE


def test_a_stream_without_usage_ends_too() -> None:
    """The frame held back for the usage goes out at the end of the stream."""
    found = frames(chunk({"role": "assistant", "content": "x"}), chunk({}, "length"))
    assert [frame["candidates"][0].get("finishReason") for frame in found] == [None, "MAX_TOKENS"]


def test_parallel_calls_come_whole() -> None:
    """Fragments of two calls, mixed, are two calls in the last frame."""

    def fragment(index: int, arguments: str, **first: Any) -> dict[str, Any]:
        name = {"name": first.pop("name")} if first else {}
        return {"tool_calls": [{"index": index, **first, "function": {**name, "arguments": arguments}}]}

    found = frames(
        chunk({"role": "assistant", "content": None}),
        chunk(fragment(0, "", id="a", type="function", name="f")),
        chunk(fragment(0, '{"x"')),
        chunk(fragment(0, ":1")),
        chunk(fragment(1, '{"y":', id="b", type="function", name="g")),
        chunk(fragment(0, "}")),
        chunk(fragment(1, "2}")),
        chunk({}, "tool_calls"),
    )
    assert parts(found) == [
        {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}},
        {"functionCall": {"id": "b", "name": "g", "args": {"y": 2}}},
    ]
    assert [f["candidates"][0].get("finishReason") for f in found] == ["STOP"]


def test_reasoning_then_text_of_two_candidates() -> None:
    """Thoughts are marked; each candidate keeps its index."""
    found = frames(
        chunk({"role": "assistant", "reasoning_content": "hm"}),
        chunk({"reasoning_content": " so"}),
        chunk({"content": "yes"}, index=1),
        chunk({}, "stop"),
        chunk({}, "stop", index=1),
    )
    assert parts(found) == [{"text": "hm", "thought": True}, {"text": " so", "thought": True}, {"text": "yes"}]
    assert [c["index"] for f in found for c in f["candidates"]] == [0, 0, 1, 0, 1]


def test_calls_of_a_stream_that_never_ended_are_not_lost() -> None:
    """What was collected comes with `finish`."""
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert parts(frames(chunk({"tool_calls": [call]}))) == [{"functionCall": {"id": "a", "name": "f", "args": {}}}]


def test_a_text_without_its_chunk_is_a_mistake() -> None:
    """The shorthand needs the chunk it repeats."""
    with pytest.raises(ValueError, match="a text came"):
        chat.ChunkRenderer().render("x")


def test_blocks_announced_and_ended_as_anthropic_does() -> None:
    """A call goes out when its block ends; a signature travels with its thought."""
    renderer = chat.ChunkRenderer()
    chunks = [chat_pb2.ChatChunk(dialect="anthropic") for _ in range(4)]
    deltas = [c.choices.add(index=0).delta for c in chunks]
    deltas[0].blocks.add(block=0).thinking.signature = "sig"
    deltas[1].blocks.add(block=1).start.tool_use.name = "f"
    deltas[2].blocks.add(block=1).tool.arguments = '{"a":1}'
    deltas[3].blocks.add(block=1, stop=True)
    found = [[json.loads(data) for _, data in renderer.render(c)] for c in chunks]
    assert [parts(each) for each in found] == [
        [{"text": "", "thought": True, "thoughtSignature": "sig"}],
        [],
        [],
        [{"functionCall": {"name": "f", "args": {"a": 1}}}],
    ]


def test_texts_survive_any_stream() -> None:
    """Whatever the pieces, the joined text of the frames is the joined text of the chunks."""

    @settings(max_examples=100)
    @given(st.lists(st.text(max_size=5), max_size=8))
    def check(texts: list[str]) -> None:
        found = frames(*(chunk({"content": text}) for text in texts), chunk({}, "stop"))
        assert "".join(part["text"] for part in parts(found)) == "".join(texts)

    check()
