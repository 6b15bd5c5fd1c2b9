"""Messages and stubs made from `proto/gateway/v1` by `scripts/generate`.

Rules: never edited by hand; `scripts/check` regenerates and compares.
Not here: conversions to and from JSON (`gateway.wire`), the public client's messages (`gateway.client.generated`).
"""
