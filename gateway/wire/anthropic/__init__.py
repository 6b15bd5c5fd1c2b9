"""The Anthropic Messages format: JSON objects to protobuf messages and back.

Rules:
- JSON -> message -> JSON is the identity for any request, answer and stream event, whatever its members: such a
  message says `dialect: anthropic`, and what typed fields cannot hold is in `extra`, `nulls` and opaque blocks.
- A message of another dialect is mapped to correct Anthropic JSON; what has no place there is named in `unsupported`.
- Decoders never refuse an object; encoders raise JsonInvalid when a JSON text inside a message is none.

Source: wire format of `POST /v1/messages`, version 2023-06-01, as the official SDKs read and write it.

Not here: HTTP, SSE framing (`gateway.wire.sse`), which values are allowed (admission).
"""

from typing import Final

DIALECT: Final = "anthropic"
