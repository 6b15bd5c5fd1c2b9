"""The minimal instance of a schema is valid by that schema."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.schema import MAX_VALUES, minimal_instance

NODE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}, "id": {"type": "integer"}},
            "required": ["next", "id"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/Node",
}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "string", "minLength": 9},
        {"type": "string", "maxLength": 2},
        {"type": "string", "format": "date-time"},
        {"type": ["null", "string"]},
        {"type": "integer", "minimum": 3, "multipleOf": 5},
        {"type": "number", "exclusiveMinimum": 1, "maximum": 2},
        {"type": "integer", "maximum": -4},
        {"type": "integer", "exclusiveMaximum": 0},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2},
        {"oneOf": [{"const": 7}, {"type": "string"}]},
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"required": ["a"]},
            ]
        },
        {"type": "object", "properties": {"a": {"type": "object", "required": ["b"]}}, "required": ["a"]},
        NODE,
    ],
)
def test_known_shapes(schema: dict[str, Any]) -> None:
    """Each construct that structured output allows has a valid instance."""
    jsonschema.validate(minimal_instance(schema), schema, format_checker=jsonschema.FormatChecker())


def test_an_endless_schema_ends() -> None:
    """A schema that can only recurse still gives some value."""
    endless = {"type": "object", "properties": {"again": {"$ref": "#"}}, "required": ["again"]}
    assert "again" in minimal_instance(endless)


def test_a_schema_that_multiplies_is_bounded() -> None:
    """Neither nested arrays nor two references to itself make more than so many values."""
    arrays: Any = {"type": "integer"}
    for _ in range(8):
        arrays = {"type": "array", "items": arrays, "minItems": 900}
    twice = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]}
    for schema in (arrays, twice):
        assert len(repr(minimal_instance(schema))) < 100 * MAX_VALUES


leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": [1, "x"]},
        {"const": None},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
            lambda members: {"type": "object", "properties": members, "required": list(members)}
        ),
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
    ),
    max_leaves=12,
)


@given(schemas)
def test_any_composition(schema: dict[str, Any]) -> None:
    """Compositions of valid parts are valid."""
    jsonschema.validate(minimal_instance(schema), schema)
