"""The OpenAI wire format: JSON objects to protobuf messages and back, without loss.

Rules:
- JSON -> message -> JSON is the identity for any JSON object, for every chunk of every stream, whatever its members.
- A message that was not read from JSON (no `extra`, content form unspecified) renders as correct OpenAI JSON.
- Decoders take values as `gateway.wire.json.loads` returns them and never refuse an object; ranges are checked later.
- Encoders raise JsonInvalid when a JSON text inside a message (`extra`, `X_json`) is none.

Not here: which values are allowed (admission), HTTP, SSE framing (`gateway.wire.sse`).
"""
