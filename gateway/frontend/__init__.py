"""The HTTP edge: OpenAI-style requests to calls, and the items of a call to HTTP answers.

Rules:
    - Stateless: no policy, no secret, no decision about a call; what it needs of the configuration arrives as JSON.
    - Every failure is the OpenAI error object; only a complete stream ends with `[DONE]`.

Not here:
    - Identity, limits, routing and providers (the service), the JSON formats (gateway.wire.openai).
"""
