"""The Cohere v2 format as providers speak it: chat, its stream of events, embeddings, errors.

Rules:
- Pure. No client speaks this format: requests are written and answers read, never the other way round.
- What a request holds and this format has no place for is named in `unsupported` by its path, unless leaving it out
  changes no answer (tags, hints, storage).

Source: Cohere API v2, `POST /v2/chat` and `POST /v2/embed`.

Not here: HTTP, SSE framing (`gateway.wire.sse`), what is done about what is unsupported (the pipeline).
"""

from typing import Final

DIALECT: Final = "cohere"
