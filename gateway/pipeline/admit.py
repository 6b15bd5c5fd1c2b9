"""May this call be made, and does it have the right shape: model access, ranges, capabilities.

Rules:
    - Pure: a request, a snapshot and the time decide. Nothing is taken yet.
    - Order of the checks: model named, model known, model allowed for the key, ranges, capabilities.
    - A violation names the member that is wrong (`param`) and what is allowed.
Not here:
    - Who calls (identify); limits (quota); which deployment (routing).
"""

from __future__ import annotations

from google.protobuf.message import Message

from gateway.accounts.keys import Identity, is_among
from gateway.config.catalogue import Entry
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.kit import Runtime
from gateway.pipeline.needs import check_needs
from gateway.pipeline.ranges import check_ranges
from gateway.pipeline.shape import Shape, survey


def admit(runtime: Runtime, identity: Identity, request: Message) -> tuple[Entry, Shape]:
    """The model that is asked for, and the request's shape. Raises GatewayError when the call may not be made."""
    entry = find_model(runtime, identity, request.model)  # type: ignore[attr-defined]  # every inference request has it
    check_ranges(request)
    shape = survey(request)
    check_needs(entry, request, shape.needs)
    return entry, shape


def find_model(runtime: Runtime, identity: Identity, name: str) -> Entry:
    """The model of that wire name, if there is one and this caller may use it."""
    if not name:
        raise GatewayError(
            Kind.INVALID_REQUEST, "You must provide a `model`.", param="model", code="missing_required_parameter"
        )
    entry = runtime.catalogue.find(name)
    if entry is None:
        shown = name[:200]
        raise GatewayError(
            Kind.MODEL_NOT_FOUND, f"The model `{shown}` does not exist or you do not have access to it.", param="model"
        )
    if not is_among(name, identity.group_models):
        shown = f"The model `{name[:200]}` does not exist or is not available to group `{identity.group}`."
        raise GatewayError(Kind.MODEL_NOT_FOUND, shown, param="model")
    if not identity.may_use(name):
        raise GatewayError(Kind.PERMISSION_DENIED, f"This key may not use the model `{name}`.", param="model")
    return entry
