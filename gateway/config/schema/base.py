"""What every section of the configuration tree shares: a closed frozen model, and fields that document themselves.

Rules:
    - Every field carries a description, its unit (or none) and whether a reload applies it.
    - A section refuses keys it does not know and values of another type; nothing is coerced.

Not here: the sections (beside this file); resolving secret references (config/secrets.py).
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from gateway.core.secret import HIDDEN, Secret

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A key of a map of named things: it can be written in an environment variable; wire names go into values."""

Capability = Literal[
    "chat",
    "completion",
    "embedding",
    "code",
    "vision",
    "audio",
    "function_calling",
    "json_mode",
    "json_schema",
    "reasoning",
    "image",
    "speech",
    "transcription",
    "moderation",
    "rerank",
]


class Section(BaseModel):
    """One closed, frozen part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False)


def setting(default: Any, description: str, *, unit: str = "", reloads: bool = True, **constraints: Any) -> Any:
    """A field. `default` of `...` means the key must be written; a class or function is called to make the default."""
    extra: dict[str, Any] = {"unit": unit, "reloads": reloads}
    if callable(default):
        return Field(default_factory=default, description=description, json_schema_extra=extra, **constraints)
    return Field(default, description=description, json_schema_extra=extra, **constraints)


class SecretText:
    """Annotation that makes a `Secret` field accept `{env: NAME}`, `{file: PATH}` or (in some layers) a literal.

    The validation context is a function `resolve(raw) -> Secret` that raises ValueError with words for the user.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _resolve, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: HIDDEN)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        def reference(key: str, words: str) -> dict[str, Any]:
            text = {"type": "string", "minLength": 1, "description": words}
            return {"type": "object", "properties": {key: text}, "required": [key], "additionalProperties": False}

        return {
            "oneOf": [
                reference("env", "name of an environment variable"),
                reference("file", "path of a file, relative to the configuration directory"),
                {"type": "string", "description": "the secret itself; only in .secrets.yaml"},
            ]
        }


def _resolve(raw: Any, info: core_schema.ValidationInfo) -> Secret:
    if isinstance(raw, Secret):
        return raw
    if info.context is None:
        raise ValueError("a secret can be read only while the configuration is loaded")
    resolved: Secret = info.context(raw)
    return resolved


SecretValue = Annotated[Secret, SecretText()]


def _switch(raw: Any) -> Any:
    """YAML readers differ on `on`: both spellings of a boolean mean the same switch."""
    return {True: "on", False: "off"}.get(raw, raw) if isinstance(raw, bool) else raw


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)]
