"""Every route by its name, as logs and metrics show it: a closed set, whatever clients ask for.

Rules:
    - A path that is none of these is `unknown`: no client makes a label.
Not here: what a route does (edge.py), which profiles have it (edge.py, settings.py).
"""

from __future__ import annotations

from typing import Final

from gateway.frontend import accounts, gemini, inferxgate, kept, new_api

ROUTES: Final = frozenset(
    (
        "/", "/health", "/readyz", "/metrics", "/openapi.json", "/v1/models", "/v1/models/{id}",
        "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/admin/explain", "/admin/deployments",
        "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", kept.ONE, kept.ITEMS, kept.CANCEL,
        gemini.MODELS, gemini.MODEL, *gemini.METHOD_ROUTES.values(),
        *(row.path for row in accounts.ROWS), *inferxgate.PATHS, *new_api.PATHS,
    )
)  # fmt: skip
