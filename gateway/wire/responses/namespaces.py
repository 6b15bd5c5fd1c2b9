"""Tools in namespaces: flat names for formats whose tools have one name, and the way back.

Rules:
- A tool `close` of namespace `agents` is `agents__close`; a name longer than NAME_MAX_CHARS ends in a digest instead.
- The way back is looked up in the tools of the request, never guessed from a name.

Not here: reading tools (tools.py), items of calls (items.py, answers.py).
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject

JOIN: Final = "__"
NAME_MAX_CHARS: Final = 64
KIND: Final = "namespace"
Names = Mapping[str, tuple[str, str]]
"""Flat name -> namespace and name."""


def flat_name(namespace: str, name: str) -> str:
    """The one name of a tool."""
    flat = f"{namespace}{JOIN}{name}"
    if len(flat) <= NAME_MAX_CHARS:
        return flat
    digest = sha256(flat.encode()).hexdigest()[:8]
    return f"{flat[: NAME_MAX_CHARS - len(digest) - 1]}_{digest}"


def is_namespace(tool: JsonObject) -> bool:
    """Whether a member of `tools` is a namespace whose tools the client itself runs."""
    inner = tool.get("tools")
    return (
        tool.get("type") == KIND
        and is_text(tool.get("name"))
        and type(inner) is list
        and bool(inner)
        and all(type(one) is dict and one.get("type") in ("function", "custom") for one in inner)
    )


def flattened(namespace: JsonObject) -> list[JsonObject]:
    """The tools of a namespace under their flat names; there is one at least."""
    name = namespace["name"]
    return [{**tool, "name": flat_name(name, str(tool.get("name", "")))} for tool in namespace["tools"]]


def names_of(tools: Any) -> Names:
    """The way back for a request's member `tools`."""
    found: dict[str, tuple[str, str]] = {}
    for namespace in tools if type(tools) is list else ():
        if type(namespace) is dict and is_namespace(namespace):
            for tool, flat in zip(namespace["tools"], flattened(namespace), strict=True):
                found[flat["name"]] = (namespace["name"], str(tool.get("name", "")))
    return found


def members_of(name: str, names: Names) -> JsonObject:
    """The members of a call that name its tool."""
    if name not in names:
        return {"name": name}
    namespace, inner = names[name]
    return {"name": inner, "namespace": namespace}
