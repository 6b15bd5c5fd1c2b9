"""The codecs of chat in one place: requests, whole answers, streams.

Rules: names only; see the package.
Not here: embeddings (embeddings.py), errors (errors.py).
"""

from gateway.wire.gemini.chunks import ChunkDecoder, ChunkRenderer
from gateway.wire.gemini.request import decode_request, encode_request
from gateway.wire.gemini.response import decode_response, encode_response

__all__ = ["ChunkDecoder", "ChunkRenderer", "decode_request", "decode_response", "encode_request", "encode_response"]
