"""The shapes of Gemini's bodies, as JSON Schema, for the OpenAPI document.

Rules: as openapi_schemas.py: data only, unknown members allowed everywhere.
Not here: OpenAI's shapes (openapi_schemas.py), paths (openapi.py).
"""

from __future__ import annotations

from gateway.frontend.openapi_schemas import BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, Schema, listed, record, ref

_PART = record(
    text=STRING,
    thought=BOOLEAN,
    thoughtSignature=STRING,
    inlineData=record("data", mimeType=STRING, data=STRING),
    fileData=record("fileUri", mimeType=STRING, fileUri=STRING),
    functionCall=record("name", id=STRING, name=STRING, args=OBJECT),
    functionResponse=record("name", id=STRING, name=STRING, response=OBJECT),
)
_CONFIG = record(
    temperature=NUMBER,
    topP=NUMBER,
    topK=INTEGER,
    candidateCount={"type": "integer", "minimum": 1, "maximum": 128},
    maxOutputTokens={"type": "integer", "minimum": 1},
    stopSequences=listed(STRING),
    responseMimeType=STRING,
    responseSchema=OBJECT,
    responseJsonSchema=OBJECT,
    presencePenalty=NUMBER,
    frequencyPenalty=NUMBER,
    seed=INTEGER,
    responseLogprobs=BOOLEAN,
    logprobs=INTEGER,
    responseModalities=listed(STRING),
    thinkingConfig=record(includeThoughts=BOOLEAN, thinkingBudget=INTEGER, thinkingLevel=STRING),
)
_REQUEST: dict[str, Schema] = {
    "contents": listed(ref("GeminiContent"), minItems=1),
    "systemInstruction": ref("GeminiContent"),
    "tools": listed(OBJECT),
    "toolConfig": OBJECT,
    "safetySettings": listed(OBJECT),
    "generationConfig": _CONFIG,
    "cachedContent": STRING,
}
_CANDIDATE = record(
    content=ref("GeminiContent"),
    finishReason=STRING,
    index=INTEGER,
    safetyRatings=listed(OBJECT),
    logprobsResult=OBJECT,
    groundingMetadata=OBJECT,
)
_USAGE = record(
    promptTokenCount=INTEGER,
    candidatesTokenCount=INTEGER,
    thoughtsTokenCount=INTEGER,
    cachedContentTokenCount=INTEGER,
    totalTokenCount=INTEGER,
)
_VECTOR = record("values", values=listed(NUMBER))

GEMINI_SCHEMAS: dict[str, Schema] = {
    "GeminiContent": record(role=STRING, parts=listed(_PART)),
    "GeminiRequest": record("contents", **_REQUEST),
    "GeminiResponse": record(
        candidates=listed(_CANDIDATE),
        promptFeedback=OBJECT,
        usageMetadata=_USAGE,
        modelVersion=STRING,
        responseId=STRING,
    ),
    "GeminiResponses": listed({"anyOf": [ref("GeminiResponse"), ref("GeminiError")]}),
    "GeminiCountRequest": record(**_REQUEST, generateContentRequest=ref("GeminiRequest")),
    "GeminiTokenCount": record("totalTokens", totalTokens=INTEGER),
    "GeminiEmbedRequest": record(
        "content",
        model=STRING,
        content=ref("GeminiContent"),
        outputDimensionality=INTEGER,
        taskType=STRING,
        title=STRING,
    ),
    "GeminiEmbedding": record("embedding", embedding=_VECTOR),
    "GeminiBatchRequest": record("requests", requests=listed(ref("GeminiEmbedRequest"), minItems=1)),
    "GeminiEmbeddings": record("embeddings", embeddings=listed(_VECTOR)),
    "GeminiModel": record(
        "name supportedGenerationMethods",
        name=STRING,
        baseModelId=STRING,
        displayName=STRING,
        inputTokenLimit=INTEGER,
        outputTokenLimit=INTEGER,
        thinking=BOOLEAN,
        supportedGenerationMethods=listed(STRING),
    ),
    "GeminiModelList": record("models", models=listed(ref("GeminiModel"))),
    "GeminiError": record(
        "error",
        error=record(
            "code message status details", code=INTEGER, message=STRING, status=STRING, details=listed(OBJECT)
        ),
    ),
}
