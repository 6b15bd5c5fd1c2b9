"""The upstream formats of the matrix: where the simulator serves each, and what it has no place for.

Rules: one entry per dialect of the gateway's registry; `refuses` names what a request may need and the pattern
    its refusal must match; everything else works, structured output by whatever way the dialect has.
Not here: the mapping itself (docs/dialects.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EVERYTHING = ("chat", "completion", "embedding", "vision", "function_calling", "json_mode", "json_schema", "reasoning")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One upstream format. `base` is its path at the simulator, `path` what every request of it must match."""

    name: str
    base: str
    path: str
    refuses: Mapping[str, str] = field(default_factory=dict)
    is_counted: bool = True
    """Whether its answers say how many tokens they have; where not, a client is told none."""
    members: Mapping[str, Any] = field(default_factory=dict)

    def provider(self, url: str) -> dict[str, Any]:
        """Its block of section `providers`, for a simulator at `url`."""
        return {
            "dialect": self.name, "base_url": url + self.base, "auth": "none", "is_local": True, **self.members
        }  # fmt: skip

    def model(self) -> dict[str, Any]:
        """Its block of section `models`: everything after `NAME/` is a name the simulator obeys."""
        return {
            "names": [f"{self.name}/*"], "capabilities": list(EVERYTHING), "has_dimensions": True,
            "retry": {"attempts_max": 1}, "candidates": [{"provider": f"up-{self.name}"}],
        }  # fmt: skip

    def is_its(self, path: str) -> bool:
        """Whether a request of that path is of this format."""
        return re.fullmatch(self.path, path) is not None


_NO_EMBEDDINGS = {"embed": "speaks a format that has chat only"}

_WORDS = {
    "embed": "speaks a format that",
    "tools": "cannot take `tools`",
    "image": r"cannot take `(messages|contents|input)\[0\]\.(content|parts)\[\d\]`",
    "thinking": r"cannot take `(thinking|reasoning_effort|reasoning\.effort|generationConfig\.thinkingConfig)`",
    "schema": r"cannot take `(response_format|text\.format|output_config\.format|generationConfig\.responseMimeType)`",
}
"""What the two formats refuse that know nothing but words."""

UPSTREAMS = (
    Upstream("openai", "/v1", r"/v1/((chat/)?completions|embeddings)"),
    Upstream("azure", "", r"/openai/deployments/[^/]+/((chat/)?completions|embeddings)\?api-version=[\w-]+"),
    Upstream("responses", "/v1", r"/v1/responses", _NO_EMBEDDINGS),
    Upstream("anthropic", "/v1", r"/v1/messages", _NO_EMBEDDINGS),
    Upstream("gemini", "/v1beta", r"/v1beta/models/[^/]+:\w+(\?alt=sse)?"),
    Upstream("bedrock", "", r"/model/[^/]+/converse(-stream)?", _NO_EMBEDDINGS),
    Upstream("cohere", "/v2", r"/v2/(chat|embed)"),
    Upstream("palm", "/v1/projects/p/locations/l/publishers/google", r"/v1/projects/.*/models/[^/]+:predict", _WORDS),
    Upstream("anthropic_complete", "/v1", r"/v1/complete", _WORDS, is_counted=False),
)
BY_NAME = {upstream.name: upstream for upstream in UPSTREAMS}


def layer(url: str) -> dict[str, Any]:
    """A configuration with a model per upstream format, all of them at the simulator at `url`."""
    return {
        "providers": {f"up-{upstream.name}": upstream.provider(url) for upstream in UPSTREAMS},
        "models": {f"m-{upstream.name}": upstream.model() for upstream in UPSTREAMS},
    }
