"""What the simulated Responses format refuses, in OpenAI's words.

Rules: every refusal is a 400 with the member it is about.
Not here: answers (responses.py).
"""

from typing import Any

from gateway.simulator.reply import Json, Refused

PROOF = "proof-"
OUTPUT_MIN_TOKENS = 16
_MEMBERS = frozenset((
    *("background", "conversation", "include", "input", "instructions", "max_output_tokens", "max_tool_calls"),
    *("metadata", "model", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key"),
    *("prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store", "stream"),
    *("stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user"),
    "client_metadata",
))  # fmt: skip
_ITEMS = frozenset((
    *("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning"),
    *("item_reference", "web_search_call"),
))  # fmt: skip
_PARTS = {
    "assistant": ("output_text", "refusal"),
    "user": ("input_text", "input_image", "input_file", "input_audio"),
    "system": ("input_text", "input_image", "input_file"),
    "developer": ("input_text", "input_image", "input_file"),
}


def check_request(body: Json) -> None:
    """Raise Refused for what the vendor would not take."""
    for name in body:
        if name not in _MEMBERS and not name.startswith("x_"):
            raise Refused(400, "unknown_parameter", f"Unknown parameter: '{name}'.", name)
    least = body.get("max_output_tokens")
    if least is not None and (not isinstance(least, int) or least < OUTPUT_MIN_TOKENS):
        text = f"Invalid 'max_output_tokens': expected a value >= {OUTPUT_MIN_TOKENS}."
        raise Refused(400, "integer_below_min_value", text, "max_output_tokens")
    for at, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") in ("function", "custom") and not tool.get("name"):
            raise _missing(f"tools[{at}].name")
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema" and not (form.get("name") and isinstance(form.get("schema"), dict)):
        raise _missing("text.format.name")
    _check_input(body.get("input"))


def _check_input(given: Any) -> None:
    if not given or not isinstance(given, str | list):
        raise _missing("input")
    calls: set[str] = set()
    for at, item in enumerate(given if isinstance(given, list) else ()):
        _check_item(item, f"input[{at}]", calls)


def _check_item(item: Json, path: str, calls: set[str]) -> None:
    kind = item.get("type", "message")
    if kind not in _ITEMS:
        raise Refused(400, "invalid_value", f"Invalid value: '{kind}'.", path)
    if kind == "message":
        _check_parts(item, path)
    elif kind in ("function_call", "custom_tool_call"):
        if not item.get("call_id") or not item.get("name"):
            raise _missing(f"{path}.call_id")
        calls.add(item["call_id"])
    elif kind.endswith("_call_output") and item.get("call_id") not in calls:
        text = f"No tool call found for function call output with call_id {item.get('call_id')}."
        raise Refused(400, None, text, "input")
    elif kind == "reasoning" and not str(item.get("encrypted_content", PROOF)).startswith(PROOF):
        text = "The encrypted content could not be verified."
        raise Refused(400, "invalid_encrypted_content", text, path)


def _check_parts(item: Json, path: str) -> None:
    allowed = _PARTS.get(item.get("role", ""))
    if allowed is None:
        raise Refused(400, "invalid_value", f"Invalid value: '{item.get('role')}'.", f"{path}.role")
    content = item.get("content")
    for at, part in enumerate(content if isinstance(content, list) else ()):
        if part.get("type") not in allowed:
            text = f"Invalid value: '{part.get('type')}'. Supported values are: {', '.join(allowed)}."
            raise Refused(400, "invalid_value", text, f"{path}.content[{at}]")
        if part["type"] == "input_image" and not (part.get("image_url") or part.get("file_id")):
            raise _missing(f"{path}.content[{at}].image_url")


def _missing(param: str) -> Refused:
    return Refused(400, "missing_required_parameter", f"Missing required parameter: '{param}'.", param)
