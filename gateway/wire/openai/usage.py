"""What a call consumed, as the member `usage`.

Rules: `is_estimate` and `is_partial` are ours and never on JSON.
Not here: counting, prices, folding of vendors' own names (the dialects).
"""

from gateway.wire.openai.fields import integer, record
from gateway.wire.openai.mirror import Mirror
from gateway.wire.pb import types_pb2

_PROMPT_DETAILS = Mirror(
    types_pb2.PromptTokensDetails,
    [integer(f"{kind}_tokens") for kind in ("cached", "audio", "cache_write", "text", "image")],
)
_COMPLETION_DETAILS = Mirror(
    types_pb2.CompletionTokensDetails,
    [
        integer(f"{kind}_tokens")
        for kind in ("reasoning", "audio", "accepted_prediction", "rejected_prediction", "text", "image")
    ],
)
USAGE = Mirror(
    types_pb2.Usage,
    [
        integer("prompt_tokens"),
        integer("completion_tokens"),
        integer("total_tokens"),
        record("prompt_tokens_details", _PROMPT_DETAILS),
        record("completion_tokens_details", _COMPLETION_DETAILS),
    ],
)
