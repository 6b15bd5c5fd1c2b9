"""What an answer and a frame of a stream share: finish reasons, usage, log probabilities, blocked prompts.

Rules:
- Finish reasons by the table below; `native_finish_reason` holds Gemini's word, and is what is written back.
  STOP with calls of tools is tool_calls; a word nobody knows is stop.
- prompt_tokens = promptTokenCount + toolUsePromptTokenCount; completion_tokens = candidatesTokenCount +
  thoughtsTokenCount; reasoning_tokens = thoughtsTokenCount; cached_tokens = cachedContentTokenCount. Counts are
  cumulative: the last one of a stream holds.
- A blocked prompt (promptFeedback.blockReason, no candidates) is one choice with the finish reason content_filter.

Not here: content (contents.py, chunks.py).
"""

from typing import Any

from gateway.wire.gemini.groups import Group, Table, integer, is_text, whole
from gateway.wire.json import text
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.pb import types_pb2

FINISH = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
         "IMAGE_RECITATION", "MODEL_ARMOR"),
        "content_filter",
    ),
    **dict.fromkeys(
        ("LANGUAGE", "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "NO_IMAGE",
         "IMAGE_OTHER", "MISSING_THOUGHT_SIGNATURE", "FINISH_REASON_UNSPECIFIED"),
        "stop",
    ),
}  # fmt: skip
NATIVE_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY", "tool_calls": "STOP",
                 "function_call": "STOP"}  # fmt: skip


def _read_finish(choice: Any, said: JsonObject) -> bool:
    if not is_text(word := said.get("finishReason")):
        return False
    choice.native_finish_reason = word
    choice.finish_reason = FINISH.get(word, "stop")
    return True


def _write_finish(choice: Any, out: JsonObject) -> None:
    if choice.HasField("native_finish_reason"):
        out["finishReason"] = choice.native_finish_reason
    elif choice.finish_reason:
        out["finishReason"] = NATIVE_FINISH.get(choice.finish_reason, "OTHER")


FINISH_REASON = Group(("finishReason",), _read_finish, _write_finish)


def end_with_calls(choice: Any) -> None:
    """A choice that called tools and stopped did so for them."""
    if choice.finish_reason == "stop" and choice.native_finish_reason == "STOP":
        choice.finish_reason = "tool_calls"


# --- usage


def _count(said: JsonObject, name: str) -> int | None:
    value = whole(said.get(name))
    return value if value is not None and 0 <= value < 2**60 else None  # sums of four stay within 64 bits


def _read_prompt(usage: Any, said: JsonObject) -> None:
    counts = [_count(said, "promptTokenCount"), _count(said, "toolUsePromptTokenCount")]
    usage.prompt_tokens = sum(count or 0 for count in counts)


def _write_prompt(usage: Any, out: JsonObject) -> None:
    out["promptTokenCount"] = usage.prompt_tokens


def _read_completion(usage: Any, said: JsonObject) -> None:
    answer, thoughts = _count(said, "candidatesTokenCount"), _count(said, "thoughtsTokenCount")
    usage.completion_tokens = (answer or 0) + (thoughts or 0)
    if thoughts is not None:
        usage.completion_tokens_details.reasoning_tokens = thoughts


def _write_completion(usage: Any, out: JsonObject) -> None:
    details = usage.completion_tokens_details
    out["candidatesTokenCount"] = usage.completion_tokens - details.reasoning_tokens
    if details.HasField("reasoning_tokens"):
        out["thoughtsTokenCount"] = details.reasoning_tokens


def _read_cached(usage: Any, said: JsonObject) -> None:
    if (cached := _count(said, "cachedContentTokenCount")) is not None:
        usage.prompt_tokens_details.cached_tokens = cached


def _write_cached(usage: Any, out: JsonObject) -> None:
    if usage.prompt_tokens_details.HasField("cached_tokens"):
        out["cachedContentTokenCount"] = usage.prompt_tokens_details.cached_tokens


def _read_total(usage: Any, said: JsonObject) -> None:
    total = _count(said, "totalTokenCount")
    usage.total_tokens = usage.prompt_tokens + usage.completion_tokens if total is None else total


_TOTAL = integer("totalTokenCount", "total_tokens")
_USAGE = Table(
    [
        Group(("promptTokenCount", "toolUsePromptTokenCount"), _read_prompt, _write_prompt, has_default=True),
        Group(("candidatesTokenCount", "thoughtsTokenCount"), _read_completion, _write_completion, has_default=True),
        Group(("cachedContentTokenCount",), _read_cached, _write_cached),
        Group(("totalTokenCount",), _read_total, _TOTAL.write, has_default=True),
    ]
)


def _read_usage(answer: Any, said: JsonObject) -> bool:
    if type(value := said.get("usageMetadata")) is not dict:
        return False
    answer.usage.SetInParent()
    _USAGE.decode(value, answer.usage)
    _read_mode(answer.usage, value)
    return True


def usage_of(value: JsonObject) -> types_pb2.Usage:
    """What a `usageMetadata` says, without what only this dialect can read."""
    usage = types_pb2.Usage()
    _USAGE.read(value, usage)
    _read_mode(usage, value)
    return usage


def _read_mode(usage: Any, said: JsonObject) -> None:
    """How the call was processed; it stays in `extra`, too, as only this dialect's clients know it."""
    for name in ("trafficType", "serviceTier"):
        if is_text(word := said.get(name)):
            usage.service_tier = word


def _write_usage(answer: Any, out: JsonObject) -> None:
    if answer.HasField("usage"):
        out["usageMetadata"] = _USAGE.encode(answer.usage)


USAGE = Group(("usageMetadata",), _read_usage, _write_usage)


# --- log probabilities


def _read_logprobs(choice: Any, said: JsonObject) -> None:
    result = said.get("logprobsResult")
    chosen = result.get("chosenCandidates") if type(result) is dict else None
    if type(result) is not dict or type(chosen) is not list or not all(map(_is_token, chosen)):
        return
    tops = result.get("topCandidates")
    content = []
    for at, token in enumerate(chosen):
        top = tops[at].get("candidates") if type(tops) is list and at < len(tops) and type(tops[at]) is dict else None
        ranked = [_token(one) for one in top if _is_token(one)] if type(top) is list else []
        content.append({**_token(token), "top_logprobs": ranked})
    choice.logprobs_json = text({"content": content, "refusal": None})


def _is_token(token: Any) -> bool:
    return (
        type(token) is dict and is_text(token.get("token")) and type(token.get("logProbability", 0.0)) in (float, int)
    )


def _token(token: JsonObject) -> JsonObject:
    said = token["token"]
    return {"token": said, "logprob": token.get("logProbability", 0.0), "bytes": list(said.encode())}


def _write_logprobs(choice: Any, out: JsonObject) -> None:
    if not choice.HasField("logprobs_json"):
        return
    logprobs = kept_value(choice.logprobs_json, "logprobs_json")
    content = logprobs.get("content") if type(logprobs) is dict else None
    if type(content) is not list or not all(type(item) is dict for item in content):
        return
    chosen = [_native_token(item) for item in content]
    tops = [{"candidates": [_native_token(one) for one in item.get("top_logprobs") or ()]} for item in content]
    out["logprobsResult"] = {"topCandidates": tops, "chosenCandidates": chosen}


def _native_token(item: JsonObject) -> JsonObject:
    return {"token": item.get("token", ""), "logProbability": item.get("logprob", 0.0)}


LOGPROBS = Group(("logprobsResult",), _read_logprobs, _write_logprobs)


# --- blocked prompts


def block_reason(extra: JsonObject) -> str | None:
    """Why the prompt was blocked, by the members beside the candidates; None when it was not."""
    feedback = extra.get("promptFeedback", extra.get("prompt_feedback"))
    reason = feedback.get("blockReason", feedback.get("block_reason")) if type(feedback) is dict else None
    return reason if is_text(reason) and reason else None
