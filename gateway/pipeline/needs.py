"""Does the model have what the request needs: the capabilities of the configuration against the request.

Rules:
    - A model that lacks something refuses with UNSUPPORTED_PARAMETER and the member that needs it,
      before any provider is asked.
    - Only what is plainly asked counts: an image needs vision, a tool needs function_calling.
Not here:
    - Ranges (pipeline.ranges); dropping single candidates (routing).
"""

from __future__ import annotations

from google.protobuf.message import Message

from gateway.config.catalogue import Entry
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.shape import Need
from gateway.wire.pb import embeddings_pb2


def check_needs(entry: Entry, request: Message, needs: tuple[Need, ...]) -> None:
    """Raise GatewayError UNSUPPORTED_PARAMETER for the first capability the model lacks."""
    for capability, param in needs:
        if capability not in entry.capabilities:
            raise _lacks(entry, capability, param)
    if isinstance(request, embeddings_pb2.EmbeddingRequest) and request.HasField("dimensions"):
        _check_dimensions(entry, request.dimensions)


def _lacks(entry: Entry, capability: str, param: str) -> GatewayError:
    if param == "model":
        message = f"The model `{entry.slug}` is no {capability} model. It can do: {', '.join(entry.capability_list)}."
    else:
        message = f"The model `{entry.slug}` does not support {capability}, which `{param}` needs."
    return GatewayError(Kind.UNSUPPORTED_PARAMETER, message, param=param)


def _check_dimensions(entry: Entry, asked: int) -> None:
    largest = entry.dimensions_default
    if not entry.has_dimensions:
        problem = f"The model `{entry.slug}` does not support `dimensions`."
    elif entry.dimensions_allowed and asked not in entry.dimensions_allowed:
        problem = f"`dimensions` must be one of {', '.join(map(str, entry.dimensions_allowed))}."
    elif largest is not None and asked > largest:
        problem = f"`dimensions` must be at most {largest} for the model `{entry.slug}`."
    else:
        return
    raise GatewayError(Kind.UNSUPPORTED_PARAMETER, problem, param="dimensions")
