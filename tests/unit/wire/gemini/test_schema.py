"""JSON Schema and Gemini's subset of OpenAPI."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.gemini.schema import to_gemini, to_json_schema

CASES: list[tuple[Any, Any]] = [
    ({"type": "string", "minLength": 1, "pattern": "a"}, {"type": "STRING", "minLength": 1, "pattern": "a"}),
    ({"type": ["integer", "null"]}, {"type": "INTEGER", "nullable": True}),
    ({"type": ["integer", "string"]}, {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]}),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"nullable": True, "anyOf": [{"type": "STRING"}]}),
    ({"oneOf": [{"type": "string"}, {"type": "number"}]}, {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}),
    ({"const": "x"}, {"type": "STRING", "enum": ["x"]}),
    ({"enum": ["a", None], "type": "string"}, {"type": "STRING", "enum": ["a"], "nullable": True}),
    ({"enum": [1, 2], "type": "integer"}, {"type": "INTEGER"}),
    ({"type": "string", "format": "email"}, {"type": "STRING"}),
    ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
    ({"type": "integer", "format": "int32"}, {"type": "INTEGER", "format": "int32"}),
    ({"type": "number", "exclusiveMinimum": 0, "multipleOf": 2, "minimum": 1}, {"type": "NUMBER", "minimum": 1}),
    (
        {"$schema": "x", "type": "object", "properties": {"a": {}}, "required": ["a", "b"],
         "additionalProperties": False},
        {"type": "OBJECT", "properties": {"a": {}}, "required": ["a"]},
    ),
    (
        {"$defs": {"p": {"type": "object", "properties": {"x": {"type": "number"}}}}, "type": "array",
         "items": {"$ref": "#/$defs/p", "description": "here"}},
        {"type": "ARRAY", "items": {"type": "OBJECT", "description": "here", "properties": {"x": {"type": "NUMBER"}}}},
    ),
    (
        {"$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
        {"type": "OBJECT", "properties": {"next": {"type": "OBJECT"}}},
    ),
    (
        {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "null"}},
         "required": ["b"]}]},
        {"type": "OBJECT", "properties": {"a": {"type": "STRING"}, "b": {"type": "NULL"}}, "required": ["a", "b"]},
    ),
    (True, {"type": "OBJECT"}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), CASES)
def test_a_schema_becomes_what_gemini_takes(schema: Any, expected: Any) -> None:
    """Each rule of the module, once."""
    assert to_gemini(schema) == expected


def test_a_schema_without_end_ends() -> None:
    """References that multiply and deep nesting are bounded."""
    layers = {f"d{n}": {"properties": {f"p{i}": {"$ref": f"#/$defs/d{n + 1}"} for i in range(9)}} for n in range(9)}
    wide = {"$defs": layers, "$ref": "#/$defs/d0"}
    assert to_gemini(wide)["type"] == "OBJECT"
    deep: Any = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    assert to_gemini(deep)["type"] == "ARRAY"
    loop = {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}
    assert isinstance(to_gemini(loop), dict)


def test_a_gemini_schema_becomes_json_schema() -> None:
    """Types in lower case, nullable as a type; applied to what came of a JSON Schema, nothing more is lost."""
    native = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True},
              "b": {"type": "ARRAY", "items": {"anyOf": [{"type": "INTEGER"}, {"type": "NULL"}]}}},
              "propertyOrdering": ["b", "a"]}  # fmt: skip
    assert to_json_schema(native) == {
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"]},
            "b": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        },
    }
    assert to_json_schema("no schema") == "no schema"
    del native["propertyOrdering"]
    native["properties"]["b"] = {"type": "BOOLEAN"}
    assert to_gemini(to_json_schema(native)) == native
