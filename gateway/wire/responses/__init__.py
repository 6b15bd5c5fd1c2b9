"""The OpenAI Responses format: a client's requests to messages, whole and streamed answers to its JSON.

Rules:
- Decoders never refuse an object: what has no typed field is kept in `extra` or an opaque block.
- Answers of any provider are written with every member the format promises.

Source: wire format of `POST /v1/responses`, OpenAI API specification 2.3.0.

Not here: HTTP, SSE framing (`gateway.wire.sse`), what is refused before a call (the frontend), answers that providers
give in this format: no provider is asked in it.
"""

from typing import Final

DIALECT: Final = "responses"
