"""Shapes of other gateways: new-api's users, tokens and prices, InferXgate's metrics, CSV, the status page."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.core.errors import GatewayError
from gateway.frontend import accounts_csv, inferxgate
from gateway.frontend import new_api_json as shapes
from gateway.wire.pb import accounts_pb2, models_pb2
from tests.unit.frontend.harness import frontend, post, split

NOW_MS = 1_767_600_000_000


def key(**members: Any) -> accounts_pb2.ApiKey:
    """A key's record."""
    return accounts_pb2.ApiKey(**{"id": "k1", "key_prefix": "sk-abc", "name": "ci", **members})


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({}, shapes.ON),
        ({"is_blocked": True}, shapes.OFF),
        ({"is_revoked": True}, shapes.OFF),
        ({"expires_at_ms": NOW_MS}, shapes.EXPIRED),
        ({"expires_at_ms": NOW_MS + 1}, shapes.ON),
        ({"max_budget_usd_micros": 5, "spent_usd_micros": 5}, shapes.SPENT),
        ({"max_budget_usd_micros": 5, "spent_usd_micros": 4}, shapes.ON),
    ],
)
def test_status_of_a_token(members: dict[str, Any], status: int) -> None:
    """On, off, expired, used up; never the key."""
    found = shapes.token(key(**members), NOW_MS)
    assert found["status"] == status
    assert found["key"] == "sk-abc**********"
    assert found["unlimited_quota"] is ("max_budget_usd_micros" not in members)


def test_a_token_there_and_back() -> None:
    """What a client sends to make one is what it reads afterwards."""
    body = {
        "name": "ci", "remain_quota": 1000, "expired_time": NOW_MS // 1000 + 60, "unlimited_quota": False,
        "model_limits_enabled": True, "model_limits": "a,b", "allow_ips": "10.0.0.0/8\n::1", "group": "vip",
    }  # fmt: skip
    request = shapes.new_key(body, "newapi")
    assert request.profile == "newapi"
    made = key(
        name=request.name, allowed_models=request.allowed_models, allowed_ips=request.allowed_ips, group=request.group,
        max_budget_usd_micros=request.max_budget_usd_micros, expires_at_ms=request.expires_at_ms,
    )  # fmt: skip
    shown = shapes.token(made, NOW_MS)
    assert {name: shown[name] for name in body} == body


def test_changes_of_a_token() -> None:
    """Quota left is counted from what was spent; -1 and unlimited clear; status alone changes nothing else."""
    known = key(spent_usd_micros=500)
    request = shapes.key_changes({"remain_quota": 100, "expired_time": -1, "name": "n"}, known, is_status_only=False)
    assert (request.max_budget_usd_micros, list(request.clear), request.name) == (700, ["expires_at_ms"], "n")
    request = shapes.key_changes({"unlimited_quota": True}, known, is_status_only=False)
    assert list(request.clear) == ["max_budget_usd_micros"]
    request = shapes.key_changes({"status": 2, "name": "n"}, known, is_status_only=True)
    assert (request.is_blocked, request.HasField("name")) == (True, False)


@pytest.mark.parametrize(
    "body",
    [{"name": 5}, {"remain_quota": "1"}, {"remain_quota": True}, {"unlimited_quota": 1}, {"expired_time": 2**60}],
)
def test_wrong_members_of_a_token(body: dict[str, Any]) -> None:
    """Each is refused by its name."""
    with pytest.raises(GatewayError) as caught:
        shapes.new_key({"name": "n", **body}, "")
    assert caught.value.param in body


def test_prices_as_ratios() -> None:
    """2 USD per million is 1; the completion's is relative; a price per call alone is of type 1."""
    pricing = models_pb2.Pricing(input_usd_micros_per_million=2_500_000, output_usd_micros_per_million=10_000_000)
    by_token = accounts_pb2.ModelPrice(model=models_pb2.Model(id="a", pricing=pricing), groups=["default"])
    by_call = accounts_pb2.ModelPrice(model=models_pb2.Model(id="b"), call_usd_micros=40_000)
    group = accounts_pb2.PriceGroup(id="vip", name="VIP", ratio_ppm=800_000)
    said = shapes.pricing(accounts_pb2.ListPricesReply(models=[by_token, by_call], groups=[group]))
    tokens, calls = said["data"]
    assert (tokens["quota_type"], tokens["model_ratio"], tokens["completion_ratio"]) == (0, 1.25, 4)
    assert (calls["quota_type"], calls["model_price"]) == (1, 0.04)
    assert (said["group_ratio"], said["usable_group"]) == ({"vip": 0.8}, {"vip": "VIP"})


WHOSE = 'gen_ai_operation_name="chat",gen_ai_request_model="m",gen_ai_provider_name="p"'
DURATION = "gen_ai_server_request_duration_seconds"
METRICS = f"""# TYPE {DURATION} histogram
{DURATION}_bucket{{{WHOSE},error_type="",le="+Inf"}} 3
{DURATION}_count{{{WHOSE},error_type=""}} 3
{DURATION}_count{{{WHOSE},error_type="a"}} 1
{DURATION}_count{{{WHOSE},error_type="b"}} 2
# TYPE gateway_cost_usd_micros counter
gateway_cost_usd_micros_total{{model="m \\"x\\"",provider="p"}} 1500000
# TYPE gateway_breaker_state gauge
gateway_breaker_state{{deployment="p/m"}} 2
# TYPE gateway_cache_calls counter
gateway_cache_calls_total{{model="m",result="hit"}} 4
gateway_cache_calls_total{{model="m",result="shared"}} 9
"""


def test_metrics_in_words_of_inferxgate() -> None:
    """Errors of all types are one status, micro-USD are USD, an open breaker is a model that is not there."""
    text = inferxgate.in_its_words(METRICS.encode()).decode()
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["llm_gateway_requests_total", "m", "p", "success"] == 3
    assert found["llm_gateway_requests_total", "error", "m", "p"] == 3
    assert found["llm_gateway_cost_usd_total", 'm "x"', "p"] == 1.5
    assert found["llm_gateway_model_available", "m", "p"] == 0
    assert found["llm_gateway_cache_total", "hit", "m"] == 4
    assert len([name for name, *_ in found if name == "llm_gateway_cache_total"]) == 1
    assert inferxgate.in_its_words(b"") == b""


def test_csv_holds_no_formula_and_every_value() -> None:
    """A model's name that begins one is text; commas, quotes and line breaks come back as they were."""
    names = ["=1+1", "@x", "+a", "-b", 'a,"b"\nc', "plain"]
    rows = [accounts_pb2.UsageSum(of=name, calls=at, cost_usd_micros=1_500_000) for at, name in enumerate(names)]
    columns = ["of", "calls", "cost_usd"]
    found = list(csv.DictReader(io.StringIO(accounts_csv.text_of(rows, columns), newline="")))
    assert [row["of"] for row in found] == ["'=1+1", "'@x", "'+a", "'-b", 'a,"b"\nc', "plain"]
    assert [(row["calls"], row["cost_usd"]) for row in found] == [(str(at), "1.5") for at in range(len(names))]


@pytest.mark.parametrize(("is_up", "language", "word"), [(True, "en", "Up"), (False, "vi", "Ngừng")])
async def test_the_status_page(is_up: bool, language: str, word: str) -> None:
    """Up or down in either language and in `/api/status`; what stands in Host is text."""
    profile = {"endpoints": ["new_api"], "system_name": "<b>Acme</b>"}
    async with frontend(profile=profile, is_ready=lambda: is_up) as front:
        page = await front.raw(post(f"/status?lang={language}", b"", method="GET"))
        said = await front.raw(post("/api/status", b"", method="GET"))
    status, headers, body = split(page)
    assert status == (200 if is_up else 503)
    assert headers["content-security-policy"] == "default-src 'none'"
    assert f"<td>{word}</td>" in body.decode()
    assert b"<b>" not in body
    status, _, body = split(said)
    assert (status, json.loads(body)["success"]) == ((200, True) if is_up else (503, False))
