"""No secret of a running gateway shows in anything it says: logs at debug, answers, metrics, commands."""

from __future__ import annotations

from tests.support.raw import Answer, ask
from tests.support.served import Served, served

KEY = "gw-planted.a-dev-key-nobody-may-see"
WRONG = "gw-planted.a-wrong-key-nobody-may-see"
PLANTED = {
    "GATEWAY_DEV_KEY": KEY,
    "GATEWAY_PEPPER": "a-planted-pepper-of-some-length",
    "GATEWAY_LINK_SECRET": "a-planted-link-secret-of-some-length",
    "LEAKY_API_KEY": "sk-a-planted-provider-key",
}
TEXT = "a planted sentence of a caller"
LAYER = {
    "observe": {"log_level": "debug"},
    "policies": {"retry": {"backoff_base_s": 0.01, "backoff_max_s": 0.02}},
    "providers": {
        "leaky": {
            "dialect": "openai",
            "base_url": "http://127.0.0.1:9/v1",  # nobody listens there
            "is_local": True,
            "api_key": {"env": "LEAKY_API_KEY"},
        }
    },
    "models": {"leaky": {"names": ["leaky"], "candidates": [{"provider": "leaky"}]}},
}
MODELS = ("sim", "leaky", "nobody", "sim-status-401", "sim-status-500", "sim-html", "sim-cut-1", "sim-error-1")
URLS = (
    "/v1beta/models/sim:generateContent",
    "/v1/models/sim-error-1:streamGenerateContent",
    "/v1beta/models/leaky:generateContent",
    "/v1beta/nowhere",
)


async def test_planted_secrets_never_show() -> None:
    """Calls succeed and fail in many ways; then everything that was said is searched for what was planted."""
    with served(LAYER, environ=PLANTED, key=None) as gateway:
        said = [await call(gateway, model, KEY, is_stream=is_stream) for model in MODELS for is_stream in (False, True)]
        said.append(await call(gateway, "sim", WRONG, is_stream=False))
        said += [await call_by_url(gateway, path, key) for path in URLS for key in (KEY, WRONG)]
        assert {answer.status for answer in said} >= {200, 401, 404, 502}
        texts = [f"{answer.headers} {answer.text.replace(TEXT, '')}" for answer in said]
        texts.append((await ask(f"{gateway.url}/metrics")).text)
        commands = (("check",), ("explain", "auth"), ("explain", "providers.leaky"), ("diff", "defaults"))
        texts += [done.stdout + done.stderr for done in (gateway.command("config", *args) for args in commands)]
        gateway.stop()
        texts.append(gateway.log_text())
        assert TEXT not in texts[-1]
    whole = "\n".join(texts)
    assert "***" in whole
    for secret in (*PLANTED.values(), WRONG):
        assert secret not in whole


async def call(gateway: Served, model: str, key: str, *, is_stream: bool) -> Answer:
    """One chat."""
    body = {"model": model, "stream": is_stream, "messages": [{"role": "user", "content": TEXT}]}
    return await ask(f"{gateway.base_url}/chat/completions", body, key)


async def call_by_url(gateway: Served, path: str, key: str) -> Answer:
    """One call of a Gemini client that has its key in the URL."""
    return await ask(f"{gateway.url}{path}?key={key}", {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]})
