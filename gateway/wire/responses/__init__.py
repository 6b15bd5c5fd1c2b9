"""The OpenAI Responses format, for clients that speak it and for providers that do.

Rules:
- Decoders never refuse an object: what has no typed field is kept in `extra` or an opaque block.
- Same format on both sides: bodies, events and answers pass as they are.
- Answers of any provider are written with every member the format promises.

Source: wire format of `POST /v1/responses`, OpenAI API specification 2.3.0.

Not here: HTTP, SSE framing (`gateway.wire.sse`), what is refused before a call (the frontend).
"""

from typing import Final

DIALECT: Final = "responses"
