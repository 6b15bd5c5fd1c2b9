"""Whole answers as the `response` object, and the members that object repeats of its request.

Rules:
- Only the first choice is shown: reasoning, text and calls become output items in the order of its blocks.
- An answer cut by its length or by a filter has status `incomplete`, and so does the item it was cut in.
- What the request says of itself is repeated: settings, tools, instructions.

Not here: streams (events.py).
"""

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.wire.foreign import links_of, stripped
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.proof import lent, unpacked
from gateway.wire.responses.namespaces import Names, members_of, names_of

INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""OpenAI's finish reason -> the reason in `incomplete_details`; any other answer is complete."""

_DEFAULTS: Final[JsonObject] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


@dataclass(frozen=True, slots=True)
class About:
    """What an answer says of its request. `suffix` makes the ids, `created_unix_s` is when the provider is silent."""

    suffix: str
    created_unix_s: int
    members: JsonObject
    is_kept: bool = True
    names: Names = field(default_factory=dict)
    """Of tools in namespaces."""

    @property
    def response_id(self) -> str:
        """The id of the answer."""
        return f"resp_{self.suffix}"


def about(body: JsonObject, suffix: str, created_unix_s: int) -> About:
    """What the answer to a request body will say of it."""
    members = {name: default if body.get(name) is None else body[name] for name, default in _DEFAULTS.items()}
    for name in ("reasoning", "text"):
        if isinstance(members[name], dict):
            members[name] = {**_DEFAULTS[name], **members[name]}
    is_kept = body.get("store") is not False
    return About(suffix, created_unix_s, members, is_kept=is_kept, names=names_of(body.get("tools")))


def response_object(told: About, head: chat_pb2.ChatResponse | chat_pb2.ChatChunk, **said: Any) -> JsonObject:
    """The `response` object around an output; `said` has its status, output and usage, `head` model and time."""
    members = dict(told.members)
    if head.service_tier:
        members["service_tier"] = head.service_tier
    return {
        "id": told.response_id,
        "object": "response",
        "created_at": head.created or told.created_unix_s,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": head.model,
        "output": [],
        **members,
        "store": told.is_kept,
        "usage": None,
        **said,
    }


def ended(finish_reason: str) -> JsonObject:
    """The members that say how an answer ended."""
    reason = INCOMPLETE.get(finish_reason)
    if reason is None:
        return {"status": "completed", "incomplete_details": None}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def encode_response(response: chat_pb2.ChatResponse, told: About) -> JsonObject:
    """The JSON object of a whole answer. Raises JsonInvalid for a JSON text in it that is none."""
    choice = response.choices[0] if response.choices else chat_pb2.Choice()
    end = ended(choice.finish_reason)
    items = output_items(choice, told, end["status"], response.dialect)
    usage = usage_object(response.usage) if response.HasField("usage") else None
    return response_object(told, response, output=items, usage=usage, **end)


def output_items(choice: chat_pb2.Choice, told: About, status: str, dialect: str = "") -> list[JsonObject]:
    """The output of a choice; its last item has the status of the whole, its first text the citations of links."""
    items: list[JsonObject] = []
    suffix = told.suffix
    logprobs = token_logprobs(choice.logprobs_json)
    links = [annotation(each) for each in links_of(choice, dialect)]
    for block in stripped(choice.message).blocks:
        at = len(items)
        kind = block.WhichOneof("kind")
        if kind in ("text", "refusal"):
            if not items or items[-1]["type"] != "message":
                items.append(message_item(f"msg_{suffix}_{at}", [], "completed"))
            items[-1]["content"].append(_part(block, logprobs, links))
            links = links if kind == "refusal" else []
        elif kind == "thinking" and not block.thinking.HasField("redacted"):
            items.append(reasoning_item(f"rs_{suffix}_{at}", block.thinking.text, block.thinking.signature))
        elif kind == "tool_use":
            items.append(call_item(f"fc_{suffix}_{at}", block.tool_use, "completed", told.names))
    if items and "status" in items[-1]:
        items[-1]["status"] = status
    return items


def _part(block: types_pb2.Block, logprobs: list[Any], links: list[JsonObject]) -> JsonObject:
    return (
        text_part(block.text, logprobs, links)
        if block.HasField("text")
        else {"type": "refusal", "refusal": block.refusal}
    )


def text_part(words: str, logprobs: list[Any], annotations: list[JsonObject] | None = None) -> JsonObject:
    """A part of an answer's text."""
    return {"type": "output_text", "text": words, "annotations": annotations or [], "logprobs": logprobs}


def annotation(link: JsonObject) -> JsonObject:
    """A citation of a link (links.py) as this format spells it."""
    return {"type": link["type"], **link[link["type"]]}


def message_item(item_id: str, content: list[JsonObject], status: str) -> JsonObject:
    """What the model said."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def reasoning_item(item_id: str, words: str, proof: str) -> JsonObject:
    """What the model thought; `proof` is what some providers want back with it."""
    summary = [{"type": "summary_text", "text": words}] if words else []
    own = unpacked(proof)
    item_id, encrypted = (item_id, lent(proof)) if own is None else (own[0] or item_id, own[1])
    return {"id": item_id, "type": "reasoning", "summary": summary, "encrypted_content": encrypted}


def call_item(item_id: str, call: types_pb2.ToolUseBlock | chat_pb2.ToolDelta, status: str, names: Names) -> JsonObject:
    """A call of a tool."""
    is_custom = call.type == "custom"
    return {
        "id": item_id,
        "type": "custom_tool_call" if is_custom else "function_call",
        "status": status,
        "call_id": call.id or item_id,
        **members_of(call.name, names),
        "input" if is_custom else "arguments": call.arguments,
    }


def token_logprobs(logprobs_json: str) -> list[Any]:
    """The log probabilities of a choice of a chat, as parts of a text have them."""
    kept = kept_value(logprobs_json, "logprobs_json") if logprobs_json else None
    content = kept.get("content") if isinstance(kept, dict) else None
    return content if isinstance(content, list) else []


def usage_object(usage: types_pb2.Usage) -> JsonObject:
    """The member `usage`."""
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": prompt.cached_tokens,
            "cache_write_tokens": prompt.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": completion.reasoning_tokens},
        "total_tokens": usage.total_tokens or usage.prompt_tokens + usage.completion_tokens,
    }
