"""API keys: their form, their digest, and whose a credential is - without ever showing one."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.keys import CREDENTIAL_MAX_CHARS, Digester, Identity, Keyring, digest, id_of, make_key
from gateway.config.schema import Config
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Limits
from gateway.core.secret import Secret

PEPPER = b"a pepper"
KEY = "gw-abcd.the-secret-part"
NOW_S = 1_767_600_000.0


def ring(environment: str = "test", auth: dict[str, Any] | None = None, **fields: Any) -> Keyring:
    """A keyring with one key, `KEY`."""
    record = {"id": "abcd", "hmac": digest(PEPPER, KEY), "name": "one", **fields}
    config = Config.model_validate(
        {
            "environment": environment,
            "auth": auth or {},
            "keys": {"one": record},
            "limits": {"requests_per_minute": 7, "tokens_per_minute": 70},
        }
    )
    return Keyring.of(config, PEPPER)


def refusal(keyring: Keyring, credential: str, now_s: float = NOW_S) -> GatewayError:
    """The error this credential is refused with."""
    with pytest.raises(GatewayError) as caught:
        keyring.identify(credential, now_s)
    return caught.value


def test_a_new_key_has_prefix_id_and_secret() -> None:
    """80 bits of id are for finding, 256 of secret for knowing; two keys share nothing."""
    made = [make_key("gw-") for _ in range(50)]
    for key_id, whole in made:
        assert re.fullmatch(r"[a-z0-9]{16}", key_id)
        assert re.fullmatch(rf"gw-{key_id}\.[A-Za-z0-9_-]{{43}}", whole)
        assert id_of(whole, "gw-") == key_id
    assert len({part for key_id, whole in made for part in (key_id, whole.partition(".")[2])}) == 100


@pytest.mark.parametrize("text", ["", "gw-", "gw-x", "gw-.y", "gw-x.", "x.y", "GW-x.y", " gw-x.y"])
def test_what_is_no_key_has_no_id(text: str) -> None:
    """Prefix, id, dot and secret all have to be there."""
    assert id_of(text, "gw-") is None


def test_the_digest_is_hmac_sha256_of_the_whole_key() -> None:
    """So that a record can be made by any other tool; another pepper gives another digest."""
    assert digest(PEPPER, KEY) == hmac.new(PEPPER, KEY.encode(), hashlib.sha256).hexdigest()
    assert digest(b"other", KEY) != digest(PEPPER, KEY)


@given(st.binary(max_size=200), st.text(st.characters(), max_size=200))
def test_a_digester_gives_the_same_digests(pepper: bytes, key: str) -> None:
    """For peppers shorter and longer than a block, and any text, any number of times."""
    made = Digester(pepper)
    assert [made.digest(key), made.digest(key)] == [digest(pepper, key)] * 2


def test_a_good_key_is_known() -> None:
    """The identity carries id, name, models and limits."""
    who = ring(models=("a",)).identify(KEY, NOW_S)
    assert (who.key_id, who.name, who.models, who.limits) == ("abcd", "one", ("a",), Limits(7, 70, None))


def test_no_key_is_missing_not_wrong() -> None:
    """The two have different messages and kinds."""
    assert refusal(ring(), "").kind is Kind.MISSING_KEY


BAD = {
    "unknown id": "gw-efgh.the-secret-part",
    "wrong secret": "gw-abcd.the-secret-parT",
    "no secret": "gw-abcd.",
    "more than the key": KEY + "x",
    "space after": KEY + " ",
    "without prefix": KEY.removeprefix("gw-"),
    "lone surrogate": "gw-abcd.\ud800",
    "zero byte": "gw-abcd.the-secret-part\0",
    "not ASCII": "gw-äöü.☃",
    "overlong": "gw-abcd." + "x" * CREDENTIAL_MAX_CHARS,
    "the digest itself": digest(PEPPER, KEY),
}


@pytest.mark.parametrize("credential", BAD.values(), ids=BAD)
def test_every_bad_key_is_refused_alike(credential: str) -> None:
    """Nothing told to the caller says which part was wrong, and nothing quotes the credential."""
    error, usual = refusal(ring(), credential), refusal(ring(), "gw-nope.nope")
    assert (error.kind, error.message) == (Kind.INVALID_KEY, usual.message)
    assert credential not in f"{error!r} {error} {error.cause}"


@given(st.text(max_size=600))
def test_no_text_makes_the_keyring_fail(credential: str) -> None:
    """Whatever a client sends is a refusal, never another exception."""
    assert refusal(ring(), credential).kind in (Kind.MISSING_KEY, Kind.INVALID_KEY)


def test_a_disabled_key_is_refused() -> None:
    """Only the log says why."""
    error = refusal(ring(is_disabled=True), KEY)
    assert error.kind is Kind.INVALID_KEY
    assert "disabled" in error.cause


def test_a_key_works_until_the_moment_it_expires() -> None:
    """At `expires_at` it is already refused."""
    expires = datetime(2026, 1, 5, 8, tzinfo=UTC)
    keyring = ring(expires_at=expires)
    assert keyring.identify(KEY, expires.timestamp() - 0.001).key_id == "abcd"
    assert refusal(keyring, KEY, expires.timestamp()).kind is Kind.INVALID_KEY


def test_another_pepper_makes_every_key_wrong() -> None:
    """The records alone are worth nothing."""
    record = {"id": "abcd", "hmac": digest(b"another", KEY)}
    keyring = Keyring.of(Config.model_validate({"keys": {"one": record}}), PEPPER)
    assert refusal(keyring, KEY).kind is Kind.INVALID_KEY


def test_a_keys_own_limit_replaces_the_default_null_included() -> None:
    """Unset = default; a number = this number; null = no limit."""
    assert ring(limits={"requests_per_minute": 3}).identify(KEY, NOW_S).limits == Limits(3, 70, None)
    assert ring(limits={"tokens_per_minute": None}).identify(KEY, NOW_S).limits == Limits(7, None, None)


@pytest.mark.parametrize(
    ("globs", "model", "may"),
    [
        ((), "anything", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-4o",), "GPT-4o", False),
        (("gpt-*",), "gpt-", True),
        (("gpt-*",), "my-gpt-4", False),
        (("a?",), "ab", True),
        (("a?",), "a", False),
        (("a", "b*"), "bc", True),
        (("vendor/*",), "vendor/x/y", True),
        (("v[1]",), "v[1]", True),
        (("v[1]",), "v1", False),
    ],
)
def test_models_a_key_may_use(globs: tuple[str, ...], model: str, may: bool) -> None:
    """Wire names or globs, case counts; nothing listed = everything."""
    assert Identity("id", "", globs, Limits(None, None, None)).may_use(model) is may


@pytest.mark.parametrize(("environment", "is_known"), [("development", True), ("test", True), ("production", False)])
def test_the_development_key_never_works_in_production(environment: str, is_known: bool) -> None:
    """It has the default limits where it works."""
    keyring = ring(environment, {"dev_key": Secret("gw-dev.secret")})
    if is_known:
        assert keyring.identify("gw-dev.secret", NOW_S).limits == Limits(7, 70, None)
    else:
        assert refusal(keyring, "gw-dev.secret").kind is Kind.INVALID_KEY


def test_a_development_key_of_any_form_works() -> None:
    """A laptop's key may be any word; a word that is nearly it does not pass."""
    keyring = ring("development", {"dev_key": Secret("sesame")})
    assert keyring.identify("sesame", NOW_S).key_id == "dev"
    assert refusal(keyring, "sesam").kind is Kind.INVALID_KEY


def test_without_required_keys_nobody_is_asked_but_a_wrong_key_is_still_wrong() -> None:
    """An anonymous caller has no limits of a key; a credential that is given must be right."""
    keyring = ring(auth={"is_required": False})
    assert keyring.identify("", NOW_S).name == "anonymous"
    assert refusal(keyring, "gw-nope.nope").kind is Kind.INVALID_KEY


def test_nothing_prints_a_secret() -> None:
    """A keyring, an identity and a configuration show neither key nor pepper."""
    keyring = ring("development", {"dev_key": Secret("gw-dev.top-secret")})
    shown = f"{keyring!r} {keyring.identify(KEY, NOW_S)!r}"
    assert not any(word in shown for word in ("top-secret", "the-secret-part", "a pepper"))
