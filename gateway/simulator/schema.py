"""The smallest value a JSON Schema allows, for structured output and tool arguments.

Rules:
- Deterministic; understands the subset that structured output allows (types, enum, const, objects with required,
  arrays with minItems, anyOf/oneOf/allOf, $ref/$defs, numeric and length bounds, usual string formats).
- All required properties, no optional ones; a schema without end stops at a fixed depth and number of values.

Not here: validation; `pattern` (a string that matches is not searched for).
"""

from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 32
MAX_VALUES = 10_000

_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


@dataclass(slots=True)
class _Root:
    schema: Any
    values_left: int = MAX_VALUES


def minimal_instance(schema: Any) -> Any:
    """Return a minimal instance of the schema; `{}` and non-schemas give an empty object."""
    return _instance(schema, _Root(schema), 0)


def _instance(schema: Any, root: _Root, depth: int) -> Any:
    root.values_left -= 1
    if not isinstance(schema, dict) or depth > MAX_DEPTH or root.values_left < 0:
        return {} if depth == 0 else None
    if "$ref" in schema:
        return _instance(_resolve(str(schema["$ref"]), root), root, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _instance({**schema, key: None, **_simplest(schema[key])}, root, depth + 1)
    if schema.get("allOf"):
        return _instance(_merged(schema, root), root, depth + 1)
    return _of_type(schema, root, depth)


def _simplest(branches: list[Any]) -> dict[str, Any]:
    """Prefer a branch that is no reference: it ends a recursion."""
    plain = [branch for branch in branches if isinstance(branch, dict) and "$ref" not in branch]
    return (plain or [branch for branch in branches if isinstance(branch, dict)] or [{}])[0]


def _merged(schema: dict[str, Any], root: _Root) -> dict[str, Any]:
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        part = _resolve(str(part["$ref"]), root) if isinstance(part, dict) and "$ref" in part else part
        for key, value in part.items() if isinstance(part, dict) else ():
            if key == "properties":
                value = {**merged.get(key, {}), **value}
            elif key == "required":
                value = [*merged.get(key, []), *value]
            merged[key] = value
    return merged


def _resolve(ref: str, root: _Root) -> Any:
    node = root.schema
    for step in ref.removeprefix("#").strip("/").split("/"):
        if step:
            node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node


def _of_type(schema: dict[str, Any], root: _Root, depth: int) -> Any:
    kind = schema.get("type") or ("array" if "items" in schema else "object")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    match kind:
        case "string":
            return _string(schema)
        case "integer" | "number":
            return _number(schema, is_integer=kind == "integer")
        case "boolean":
            return False
        case "null":
            return None
        case "array":
            count = min(int(schema.get("minItems", 0)), MAX_VALUES)
            return [_instance(schema.get("items", {"type": "string"}), root, depth + 1) for _ in range(count)]
    properties = schema.get("properties") or {}
    return {name: _instance(properties.get(name, {}), root, depth + 1) for name in schema.get("required") or ()}


def _string(schema: dict[str, Any]) -> str:
    text = _FORMATS.get(str(schema.get("format")), "text")
    return text[: int(schema.get("maxLength", len(text)))].ljust(min(int(schema.get("minLength", 0)), 100_000), "x")


def _number(schema: dict[str, Any], *, is_integer: bool) -> int | float:
    least = schema.get("minimum", schema.get("exclusiveMinimum", min(0, schema.get("maximum", 0))))
    if "exclusiveMinimum" in schema and least == schema["exclusiveMinimum"]:
        least += 1 if is_integer else 0.5
    if "exclusiveMaximum" in schema and least >= schema["exclusiveMaximum"]:
        least = schema["exclusiveMaximum"] - 1
    if step := schema.get("multipleOf"):
        least = -(-least // step) * step
    return int(least) if is_integer else least
