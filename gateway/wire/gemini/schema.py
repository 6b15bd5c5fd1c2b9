"""JSON Schema to the subset of OpenAPI that Gemini takes, and back.

Rules:
- Only what Gemini takes is written: type, format, title, description, nullable, enum, items, minItems, maxItems,
  properties, required, propertyOrdering, minProperties, maxProperties, minLength, maxLength, pattern, minimum, maximum,
  anyOf, example.
- `type` in capitals; a list of types is one type with `nullable`, or `anyOf`; `const` is an `enum` of one.
- `oneOf` is `anyOf`; the branches of `allOf` are merged; `$ref` into the schema itself is replaced by what it names, a
  reference inside itself by an object without properties.
- Enumerations of anything but text are left out, and so is a `format` Gemini refuses for text.
- Left out: additionalProperties, exclusive bounds, multipleOf, uniqueItems, default, $schema, $defs and the like.

Not here: where schemas stand in a request (tools.py, settings.py).
"""

from typing import Any, Final

from gateway.wire.openai.mirror import JsonObject

DEPTH_MAX = 32
NODES_MAX = 20_000

_COPIED: Final = ("title", "description", "nullable", "propertyOrdering", "minItems", "maxItems", "minProperties",
                  "maxProperties", "minLength", "maxLength", "pattern", "minimum", "maximum", "example")  # fmt: skip
_TEXT_FORMATS = frozenset(("date-time", "enum"))
_TYPES = frozenset(("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"))


class _Root:
    """The schema that references point into, and how much of it may still be written."""

    __slots__ = ("nodes_left", "schema")

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.nodes_left = NODES_MAX


def to_gemini(schema: Any) -> JsonObject:
    """A JSON Schema as Gemini takes it; what is no schema is an object without properties."""
    return _gemini(schema, _Root(schema), ())


def _gemini(schema: Any, root: _Root, refs: tuple[str, ...]) -> JsonObject:
    root.nodes_left -= 1
    if type(schema) is not dict or root.nodes_left < 0 or len(refs) > DEPTH_MAX:
        return {"type": "OBJECT"}
    if type(ref := schema.get("$ref")) is str:
        if ref in refs:
            return {"type": "OBJECT"}
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        return _gemini(_merged([_resolved(root.schema, ref), rest]), root, (*refs, ref))
    if type(branches := schema.get("allOf")) is list:
        rest = {name: value for name, value in schema.items() if name != "allOf"}
        resolved = [_followed(branch, root, refs) for branch in branches[:DEPTH_MAX]]
        return _gemini(_merged([*resolved, rest]), root, (*refs, ""))
    out = {name: schema[name] for name in _COPIED if name in schema}
    _type(schema, out, root, refs)
    _values(schema, out)
    if type(properties := schema.get("properties")) is dict:
        out["properties"] = {name: _gemini(inner, root, (*refs, "")) for name, inner in properties.items()}
        required = [name for name in _list(schema.get("required")) if name in properties]
        if required:
            out["required"] = required
    if "items" in schema:
        out["items"] = _gemini(schema["items"], root, (*refs, ""))
    return out


def _type(schema: JsonObject, out: JsonObject, root: _Root, refs: tuple[str, ...]) -> None:
    branches = [branch for name in ("anyOf", "oneOf") for branch in _list(schema.get(name))]
    kinds = schema.get("type")
    if type(kinds) is list:
        plain = [kind for kind in kinds if kind != "null"]
        if len(plain) < len(kinds):
            out["nullable"] = True
        if len(plain) == 1:
            out["type"] = _kind(plain[0])
        else:
            branches = branches or [{"type": kind} for kind in plain]
    elif type(kinds) is str:
        out["type"] = _kind(kinds)
    if branches:
        some = [branch for branch in branches if not (type(branch) is dict and branch.get("type") == "null")]
        if len(some) < len(branches):
            out["nullable"] = True
        out["anyOf"] = [_gemini(branch, root, (*refs, "")) for branch in some]
    elif "type" not in out and "properties" in schema:
        out["type"] = "OBJECT"


def _kind(name: Any) -> str:
    kind = str(name).upper()
    return kind if kind in _TYPES else "STRING"


def _values(schema: JsonObject, out: JsonObject) -> None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if type(values) is list and (texts := [value for value in values if type(value) is str]):
        out["enum"] = texts
        out.setdefault("type", "STRING")
        if None in values:
            out["nullable"] = True
    format_ = schema.get("format")
    if type(format_) is str and (out.get("type") != "STRING" or format_ in _TEXT_FORMATS):
        out["format"] = format_


def _followed(schema: Any, root: _Root, refs: tuple[str, ...]) -> Any:
    ref = schema.get("$ref") if type(schema) is dict else None
    return _resolved(root.schema, ref) if type(ref) is str and ref not in refs else schema


def _resolved(root: Any, ref: str) -> Any:
    node = root
    for step in ref.removeprefix("#").split("/")[1:]:
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if type(node) is dict else None
    return node


def _merged(schemas: list[Any]) -> JsonObject:
    merged: JsonObject = {}
    for schema in schemas:
        for name, value in schema.items() if type(schema) is dict else ():
            if name == "properties" and type(value) is dict and type(merged.get(name)) is dict:
                value = {**merged[name], **value}
            elif name == "required":
                before = _list(merged.get(name))
                value = [*before, *(item for item in _list(value) if item not in before)]
            merged[name] = value
    return merged


def _list(value: Any) -> list[Any]:
    return value if type(value) is list else []


def to_json_schema(schema: Any) -> Any:
    """A Gemini schema as JSON Schema: types in lower case, `nullable` as one more type."""
    if type(schema) is not dict:
        return schema
    out = {name: value for name, value in schema.items() if name != "nullable"}
    kind = schema.get("type")
    if type(kind) is str:
        out["type"] = kind.lower()
        if schema.get("nullable") is True:
            out["type"] = [kind.lower(), "null"]
    for name in ("anyOf", "any_of"):
        if type(schema.get(name)) is list:
            out.pop(name)
            out["anyOf"] = [to_json_schema(branch) for branch in schema[name]]
    if type(schema.get("properties")) is dict:
        out["properties"] = {name: to_json_schema(inner) for name, inner in schema["properties"].items()}
    if type(schema.get("items")) is dict:
        out["items"] = to_json_schema(schema["items"])
    out.pop("propertyOrdering", None)
    out.pop("property_ordering", None)
    return out
