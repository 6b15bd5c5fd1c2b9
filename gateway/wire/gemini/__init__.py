"""The Gemini wire format (generateContent): JSON objects to protobuf messages and back, without loss.

Rules:
- JSON -> message -> JSON is the identity for any JSON object, for every frame of every stream, whatever its members
  and whichever spelling (camelCase, snake_case) they have.
- A message of another dialect (`dialect` is not `gemini`) is mapped; what has no counterpart is named in `unsupported`.
- In messages of this dialect `extra` holds the members the typed fields cannot give back exactly, nulls among them;
  `nulls` names the members the typed fields would write although the JSON had none (an id made up for a tool call).
- Decoders take values as `gateway.wire.json.loads` returns them and never refuse an object.

Source: the Gemini API reference (v1beta GenerateContentRequest and GenerateContentResponse), as of 2025.
Not here: which values are allowed (admission), URLs and HTTP (providers.gemini_dialect), framing (`gateway.wire.sse`).
"""
