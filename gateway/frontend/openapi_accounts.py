"""The accounts in the OpenAPI document: one operation per row of `accounts.ROWS`, shapes from the contract itself.

Rules:
    - Schemas are made from the messages by the same rule that reads and writes them (accounts_json.py).
Not here: what the operations do (the service); the rest of the document (openapi.py).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field

from gateway.frontend.accounts import ROWS, Row
from gateway.rpc.contract import ACCOUNT_METHODS

Node = dict[str, Any]
_SCALARS: dict[int, str] = {Field.TYPE_STRING: "string", Field.TYPE_BOOL: "boolean"}
_WITHOUT_BODY = ("LogOut", "SetMember")
_TEXTS: Node = {"type": "array", "items": {"type": "string"}}
_LIMITS: Node = {"type": "object", "additionalProperties": {"type": "integer"}}
_KNOWN_TO_INFERXGATE: Node = {
    "max_budget": {"type": ["number", "null"]},
    "current_spend": {"type": "number"},
    "blocked": {"type": "boolean"},
    "rate_limit_rpm": {"type": ["integer", "null"]},
    "rate_limit_tpm": {"type": ["integer", "null"]},
}


def name_of(row: Row) -> str:
    """A unique operationId."""
    parts = re.findall(r"[a-z]+", row.path)
    return row.method.lower() + "".join(part.capitalize() for part in parts)


def request_schema(row: Row) -> str:
    """The schema of a row's body; empty when it has none."""
    has_body = row.method in ("POST", "PUT", "PATCH") and row.rpc not in _WITHOUT_BODY
    return ACCOUNT_METHODS[row.rpc].request.__name__ if has_body else ""


def reply_schema(row: Row) -> str:
    """The schema of a row's answer."""
    return "ApiKeys" if row.list_of else _name(ACCOUNT_METHODS[row.rpc].reply.DESCRIPTOR)


@cache
def schemas() -> dict[str, Node]:
    """Every shape the rows use."""
    found: dict[str, Node] = {"ApiKeys": {"type": "array", "items": {"$ref": "#/components/schemas/ApiKey"}}}
    for row in ROWS:
        method = ACCOUNT_METHODS[row.rpc]
        found[method.request.__name__] = _object(method.request.DESCRIPTOR, found, is_request=True)
        found[_name(method.reply.DESCRIPTOR)] = _object(method.reply.DESCRIPTOR, found)
    return found


def _name(message: Any) -> str:
    """Of a message; those that the rest of the document calls something else have a prefix."""
    name: str = message.name
    return f"Account{name}" if name in ("Group", "Code", "Session", "Wallet", "User") else name


def _object(message: Any, found: dict[str, Node], *, is_request: bool = False) -> Node:
    properties: dict[str, Node] = {}
    for field in message.fields:
        name, member = _member(field, found)
        properties[name] = member
    if message.name == "ApiKey" or (is_request and "limits" in properties and "allowed_models" in properties):
        properties |= _KNOWN_TO_INFERXGATE
    node: Node = {"type": "object", "properties": properties}
    return node | ({"additionalProperties": False} if is_request else {})


def _member(field: Any, found: dict[str, Node]) -> tuple[str, Node]:
    name: str = field.name
    if name.endswith("_ms"):
        return name.removesuffix("_ms"), {"type": ["string", "null"], "format": "date-time"}
    if name.endswith("_usd_micros"):
        return name.removesuffix("_micros"), {"type": ["number", "null"]}
    if name == "details_json":
        return "details", {"type": "object"}
    if field.message_type is not None:
        return name, _nested(field, found)
    if field.type == Field.TYPE_DOUBLE:
        return name, {"type": "number"}
    scalar: Node = {"type": _SCALARS.get(field.type, "integer")}
    return name, {"type": "array", "items": scalar} if field.is_repeated else scalar


def _nested(field: Any, found: dict[str, Node]) -> Node:
    message = field.message_type
    if message.GetOptions().map_entry or message.name == "LimitSet":
        return _LIMITS
    if message.name == "Texts":
        return _TEXTS
    found.setdefault(_name(message), _object(message, found))
    ref: Node = {"$ref": f"#/components/schemas/{_name(message)}"}
    return {"type": "array", "items": ref} if field.is_repeated else {"anyOf": [ref, {"type": "null"}]}
