"""What a caller sees of the models: what its key may use, with what is known of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.accounts.keys import Identity
from gateway.config.catalogue import Catalogue
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Limits
from gateway.service.models import get_model, list_models
from tests.unit.pipeline.kits import config_of, model, provider

FLEX = {"input_usd_per_million": Decimal("0.07"), "output_usd_per_million": Decimal("0.3")}
PRICES = {"input_usd_per_million": Decimal("0.15"), "output_usd_per_million": Decimal("0.6"), "modes": {"flex": FLEX}}


SHOWN = {"context_window_tokens": 8, "output_max_tokens": 4, "owned_by": "o"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """A listed model with a glob beside its name, a hidden one, and one for everything else."""
    models = {
        "a": model(
            "p", names=["a-1", "a-*"], pricing=PRICES, context_window_tokens=8, output_max_tokens=4, owned_by="o"
        ),
        "b": model("p", names=["b-1"], is_listed=False),
        "c": model("p", names=["c-1"]),
    }
    return Catalogue.of(config_of({"p": provider("http://127.0.0.1:9/v1")}, models))


def who(*globs: str) -> Identity:
    """A caller that may use these."""
    return Identity("k", "", globs, Limits(None, None, None))


@pytest.mark.parametrize(
    ("identity", "ids"),
    [(None, ["a-1", "c-1"]), (who(), ["a-1", "c-1"]), (who("c-*"), ["c-1"]), (who("x"), []), (who("b-1"), [])],
)
def test_listed_are_the_callers_models(catalogue: Catalogue, identity: Identity | None, ids: list[str]) -> None:
    """No glob and nothing hidden; without an identity (a public list) all of it."""
    assert [each.id for each in list_models(catalogue, identity).models] == ids


def test_what_is_known_of_a_model(catalogue: Catalogue) -> None:
    """Prices are whole micro-USD per million tokens; what is unknown is absent, not zero."""
    known, unknown = get_model(catalogue, None, "a-1"), get_model(catalogue, None, "c-1")
    assert (known.id, known.owned_by, known.context_window, known.output_max_tokens) == ("a-1", "o", 8, 4)
    assert known.pricing.input_usd_micros_per_million == 150_000
    assert [(each.mode, each.output_usd_micros_per_million) for each in known.pricing.modes] == [("flex", 300_000)]
    assert not known.pricing.HasField("cached_input_usd_micros_per_million")
    assert not unknown.HasField("pricing")
    assert not unknown.HasField("context_window")


@pytest.mark.parametrize("name", ["a-anything", "b-1"])
def test_a_model_can_be_asked_for_though_it_is_not_listed(catalogue: Catalogue, name: str) -> None:
    """Under the name it was asked for."""
    assert get_model(catalogue, who(), name).id == name


@pytest.mark.parametrize(("identity", "name"), [(who(), "nope"), (who("c-*"), "a-1"), (None, ""), (who(), "x" * 9_999)])
def test_unknown_and_forbidden_look_alike(catalogue: Catalogue, identity: Identity | None, name: str) -> None:
    """A caller learns nothing of models it may not use."""
    with pytest.raises(GatewayError) as caught:
        get_model(catalogue, identity, name)
    assert (caught.value.kind, caught.value.param) == (Kind.MODEL_NOT_FOUND, "model")
    assert len(caught.value.message) < 400
