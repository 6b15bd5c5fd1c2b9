"""An input as the items that are kept of it, each with an id.

Rules:
- An item keeps the id it has; one that is missing is made from where the item stands, so it is the same every time.

Not here: what an item means (items.py), how long it is kept (the service).
"""

from typing import Any, Final

_ID_STARTS: Final = {"message": "msg", "function_call": "fc", "custom_tool_call": "fc", "reasoning": "rs"}


def items_of(given: str | list[Any], suffix: str) -> list[Any]:
    """An input as items, each with an id; `suffix` makes those that are missing."""
    listed = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return [_with_id(item, f"{suffix}_in{at}") for at, item in enumerate(listed)]


def _with_id(item: dict[str, Any], suffix: str) -> dict[str, Any]:
    kind = item.get("type", "message")
    made = {**item, "type": kind}
    if not isinstance(item.get("id"), str):
        start = _ID_STARTS.get(kind, "item") if isinstance(kind, str) else "item"
        made["id"] = f"{start}_{suffix}"
    if kind == "message" and isinstance(item.get("content"), str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        made["content"] = [{"type": part, "text": item["content"]}]
    return made
