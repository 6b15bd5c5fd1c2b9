"""JSON of the Gemini format for property tests: plausible bodies and frames, spoiled at every level.

Rules: as lossless.py: each member is there or not, of its type, null, or any JSON; in camelCase or snake_case; every
    object may have members nobody knows.
Not here: what must hold for them (test_lossless_gemini.py).
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gateway.wire.gemini.groups import snake
from tests.contract.lossless import anything, encoded, integers, lists, number, objects, scalars, texts


def spelled(members: dict[str, Any], constant: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """An object of these members, most often in camelCase."""
    camel = objects(members, constant)
    both = objects({**members, **{snake(name): strategy for name, strategy in members.items()}}, constant)
    return st.one_of(camel, camel, camel, both)


media_types = st.sampled_from(
    ["image/png", "image/jpeg", "audio/wav", "audio/mpeg", "application/pdf", "video/mp4", ""]
)
inline = spelled({"mimeType": media_types, "data": encoded, "displayName": texts})
linked = spelled({"mimeType": media_types, "fileUri": texts, "displayName": texts})
call = spelled(
    {"id": texts, "name": st.sampled_from(["f", "g", ""]), "args": st.dictionaries(texts, anything, max_size=2)}
)
response = st.one_of(
    st.builds(lambda said: {"output": said}, texts), st.builds(lambda said: {"error": said}, texts), anything
)
result = spelled(
    {"id": texts, "name": st.sampled_from(["f", "g"]), "response": response, "willContinue": st.booleans()}
)
part = st.one_of(
    st.builds(lambda said: {"text": said}, texts),
    spelled({"text": texts, "thought": st.booleans(), "thoughtSignature": texts}),
    spelled({"inlineData": inline, "videoMetadata": anything, "thoughtSignature": texts}),
    spelled({"fileData": linked}),
    spelled({"functionCall": call, "thoughtSignature": texts}),
    spelled({"functionResponse": result}),
    spelled({"executableCode": anything, "codeExecutionResult": anything}),
    spelled({"text": texts, "functionCall": call, "inlineData": inline}),
)
content = spelled({"role": st.sampled_from(["user", "model", "function", "system", ""]), "parts": lists(part)})
schema = st.recursive(
    st.sampled_from([{"type": "STRING"}, {"type": "string"}, {"type": "INTEGER", "nullable": True}, {}, True]),
    lambda inner: st.builds(lambda s: {"type": "OBJECT", "properties": {"a": s}, "required": ["a"]}, inner),
    max_leaves=4,
)
declaration = spelled(
    {"name": texts, "description": texts, "parameters": schema, "parametersJsonSchema": anything, "response": schema}
)
tool = st.one_of(
    spelled({"functionDeclarations": lists(declaration)}),
    spelled({"googleSearch": st.just({}), "codeExecution": anything}),
)
calling = spelled(
    {"mode": st.sampled_from(["AUTO", "ANY", "NONE", "VALIDATED", "any", "MODE_UNSPECIFIED"]),
     "allowedFunctionNames": st.lists(texts, max_size=2)}
)  # fmt: skip
thinking = spelled(
    {"includeThoughts": st.booleans(), "thinkingBudget": st.one_of(integers, st.sampled_from([0, -1, 1024])),
     "thinkingLevel": st.sampled_from(["LOW", "high"])}
)  # fmt: skip
config = spelled(
    {**dict.fromkeys(["temperature", "topP", "presencePenalty", "frequencyPenalty"], number),
     **dict.fromkeys(["topK", "candidateCount", "maxOutputTokens", "seed", "logprobs"], integers),
     "stopSequences": st.lists(texts, max_size=3), "responseLogprobs": st.booleans(),
     "responseMimeType": st.sampled_from(["application/json", "text/plain", "text/x.enum"]),
     "responseSchema": schema, "responseJsonSchema": anything, "thinkingConfig": thinking, "speechConfig": anything,
     "responseModalities": st.lists(st.sampled_from(["TEXT", "IMAGE", "audio"]), max_size=2)}
)  # fmt: skip
request = spelled(
    {"contents": lists(content), "systemInstruction": st.one_of(content, texts), "tools": lists(tool),
     "toolConfig": spelled({"functionCallingConfig": calling, "retrievalConfig": anything}), "safetySettings": anything,
     "generationConfig": config, "cachedContent": texts, "labels": anything, "model": texts}
)  # fmt: skip
count = st.one_of(st.integers(0, 50), integers, st.just("7"))
usage = spelled(
    dict.fromkeys(
        ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount",
         "toolUsePromptTokenCount", "totalTokenCount"], count,
    ) | {"promptTokensDetails": anything}
)  # fmt: skip
token = spelled({"token": texts, "logProbability": st.one_of(st.floats(-9, 0), st.just(0), scalars)})
logprobs = spelled({"chosenCandidates": lists(token), "topCandidates": lists(spelled({"candidates": lists(token)}))})
finish = st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "OTHER", "NOBODY_KNOWS", ""])
candidate = spelled(
    {"content": content, "finishReason": finish, "index": st.one_of(st.integers(0, 3), integers),
     "safetyRatings": anything,     "logprobsResult": logprobs, "citationMetadata": anything, "avgLogprobs": number}
)  # fmt: skip
feedback = spelled({"blockReason": st.sampled_from(["SAFETY", "", "OTHER"]), "safetyRatings": anything})
answer = spelled(
    {"candidates": lists(candidate), "usageMetadata": usage, "modelVersion": texts, "responseId": texts,
     "promptFeedback": feedback, "createTime": texts}
)  # fmt: skip
