"""In which mode a call is processed, for prices: as its provider says, else as the request that was sent asks.

Rules:
    - Asked of models with prices by mode only (`Entry.has_modes`); other calls come nowhere near this file.
    - What the configuration forces or drops at a deployment is what was asked there, and what a dialect has no word for
      was not asked.
    - The usage is believed before the first event: a stream may open with what was asked, and end with what was done.
    - A whole answer that passes as bytes is parsed, never searched: a model writes what its caller wants.
Not here:
    - Words of vendors (core.modes); prices (core.tariff).
"""

from __future__ import annotations

from typing import Any

from gateway.config.catalogue import Deployment
from gateway.core.modes import mode_of
from gateway.pipeline.progress import Progress
from gateway.rpc.contract import Batch, Raw
from gateway.wire import json
from gateway.wire.pb import types_pb2

MEMBER = "service_tier"
_SENT = frozenset(("openai", "azure", "responses"))
"""Dialects with these words for it. In the others the caller's wish is lost, and must not make the call cheaper."""


def asked_word(request: Any) -> str:
    """What the caller asks for; empty = nothing."""
    word: str = getattr(request, MEMBER, "")
    return word


def modes_asked(progress: Progress) -> set[str | None]:
    """The modes its candidates would be asked for; None = one of them chooses."""
    candidates = () if progress.plan is None else progress.plan.candidates
    return {_sent(progress.mode_asked, deployment) for deployment in candidates} or {mode_of(progress.mode_asked)}


def told(progress: Progress, batch: Batch | None) -> None:
    """The first events of the answer came: note what they say."""
    words = (_word(event) for event in batch or ())
    said = next((mode for word in words if (mode := mode_of(word)) is not None), None)
    progress.mode = said or (_sent(progress.mode_asked, progress.deployment) if progress.deployment else None)


def final_mode(progress: Progress, usage: types_pb2.Usage) -> str | None:
    """How the call was processed; None = nobody said."""
    if (said := mode_of(usage.service_tier) or progress.mode) is not None or progress.deployment is None:
        return said
    return _sent(progress.mode_asked, progress.deployment)


def _sent(asked: str, deployment: Deployment) -> str | None:
    is_sent = deployment.dialect in _SENT and MEMBER not in deployment.drop
    word = deployment.force.get(MEMBER, asked if is_sent else "")
    return mode_of(word) if isinstance(word, str) else None


def _word(event: Any) -> str:
    """What one event says; empty when it is silent."""
    if isinstance(event, str):
        return ""
    if isinstance(event, Raw):
        return _word_of_json(json.loads(event.json))
    word: str = getattr(event, MEMBER, "") or event.usage.service_tier
    return word


def _word_of_json(answer: Any) -> str:
    usage = answer.get("usage") or answer.get("usageMetadata") if isinstance(answer, dict) else None
    places = [answer.get(MEMBER)] if isinstance(answer, dict) else []
    if isinstance(usage, dict):
        places += [usage.get(MEMBER), usage.get("trafficType"), usage.get("serviceTier")]
    return next((word for word in places if isinstance(word, str)), "")
