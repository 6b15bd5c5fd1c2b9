"""Access tokens: ours and nobody else's, for as long as they say, whatever their header claims."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest

from gateway.accounts.tokens import Tokens, is_token
from gateway.config.schema import Accounts
from gateway.core.errors import GatewayError, Kind
from gateway.core.secret import Secret

NOW_S = 1_767_600_000.0
SECRET, OTHER = "s" * 40, "o" * 40
RSA_PUBLIC = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----"


def settings(**members: Any) -> Accounts:
    """A section `accounts` with one token key."""
    keys = members.pop("token_keys", {"first": SECRET})
    made = {slug: {"secret": Secret(text, "test")} for slug, text in keys.items()}
    return Accounts.model_validate({"token_keys": made, **members}, context=lambda raw: raw)


def tokens(**members: Any) -> Tokens:
    """Tokens under those settings."""
    return Tokens(settings(**members), b"pepper")


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, but for `changes`; None leaves one out."""
    good = {
        "iss": "one-gateway", "aud": "one-gateway", "sub": "u1", "sid": "s1",
        "iat": int(NOW_S), "nbf": int(NOW_S), "exp": int(NOW_S) + 600,
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def forged(header: dict[str, Any], payload: dict[str, Any], secret: str = SECRET) -> str:
    """A token of any header, signed with HMAC-SHA-256."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    body = f"{part(header)}.{part(payload)}"
    signature = hmac.digest(secret.encode(), body.encode(), hashlib.sha256)
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def refused(token: str, made: Tokens | None = None, now_s: float = NOW_S) -> bool:
    """Whether a token is refused, as any bad key is."""
    with pytest.raises(GatewayError) as caught:
        (made or tokens()).check(token, now_s)
    assert token not in caught.value.message + caught.value.cause
    return caught.value.kind is Kind.INVALID_KEY


GOOD = {"alg": "HS256", "typ": "JWT", "kid": "first"}


def test_a_token_of_ours() -> None:
    """Says whose session it is, and looks like a token."""
    token = tokens().sign("u1", "s1", NOW_S, {"email": "a@e.org"})
    found = tokens().check(token, NOW_S + 3599)
    assert (found.user_id, found.session_id) == ("u1", "s1")
    assert is_token(token)
    assert refused(token, now_s=NOW_S + 3631)
    assert tokens().check(forged(GOOD, claims()), NOW_S).user_id == "u1"  # what is forged below differs in one thing


@pytest.mark.parametrize(
    "header",
    [
        {**GOOD, "alg": "none"},
        {**GOOD, "alg": "None"},
        {**GOOD, "alg": "RS256"},
        {**GOOD, "alg": "HS512"},
        {**GOOD, "alg": ""},
        {**GOOD, "kid": "second"},
        {**GOOD, "kid": "../../etc/passwd"},
        {**GOOD, "kid": None},
        {"alg": "HS256", "typ": "JWT"},
        {**GOOD, "crit": ["exp"]},
        {**GOOD, "jku": "https://attacker.example/keys"},
        {**GOOD, "x5u": "https://attacker.example/cert"},
        {**GOOD, "jwk": {"kty": "oct", "k": "AA"}},
    ],
)
def test_a_header_does_not_choose(header: dict[str, Any]) -> None:
    """Algorithm, keys from elsewhere, extensions: refused, although the signature is right."""
    assert refused(forged(header, claims()))


@pytest.mark.parametrize("secret", [OTHER, "", RSA_PUBLIC, "first"])
def test_another_secret(secret: str) -> None:
    """A public key, an empty one or another's does not sign for us."""
    assert refused(forged(GOOD, claims(), secret))


def test_an_unsigned_token() -> None:
    """Without a signature, and with an empty one."""
    unsigned = jwt.encode(claims(), "", algorithm="none", headers={"kid": "first"})
    assert refused(unsigned)
    whole = forged(GOOD, claims())
    assert refused(whole.rpartition(".")[0] + ".")
    assert refused(whole[:-4] + "AAAA")


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "iat", "nbf", "exp"])
def test_every_claim_is_required(name: str) -> None:
    """One left out: refused."""
    assert refused(forged(GOOD, claims(**{name: None})))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"aud": []},
        {"exp": int(NOW_S) - 31},
        {"nbf": int(NOW_S) + 31},
        {"iat": int(NOW_S) + 31},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": {}},
        {"sub": 7},
    ],
)
def test_wrong_claims(changes: dict[str, Any]) -> None:
    """For others, too late, too early, or of no sense."""
    assert refused(forged(GOOD, claims(**changes)))


@pytest.mark.parametrize(
    "text", ["eyJ..", "eyJ.eyJ.x", "eyJhbGciOiJIUzI1NiJ9.e30.", "eyJ" + "A" * 900 + ".B.C", "a.b.c"]
)
def test_what_is_no_token(text: str) -> None:
    """Refused, never a failure of ours."""
    assert refused(text)


def test_rotation_of_token_keys() -> None:
    """A new key signs, the old one is accepted until it is taken out."""
    old = tokens().sign("u1", "s1", NOW_S, {})
    both = tokens(token_keys={"second": OTHER, "first": SECRET})
    assert both.check(old, NOW_S).user_id == "u1"
    new = both.sign("u1", "s1", NOW_S, {})
    assert jwt.get_unverified_header(new)["kid"] == "second"
    assert refused(new)
    assert refused(old, tokens(token_keys={"second": OTHER}))
    chosen = tokens(token_keys={"second": OTHER, "first": SECRET}, token_signing_key="first")
    assert jwt.get_unverified_header(chosen.sign("u", "s", NOW_S, {}))["kid"] == "first"


def test_without_token_keys_the_pepper_derives_one() -> None:
    """The same for every service with that pepper, another for others; never the pepper itself."""
    one = tokens(token_keys={})
    token = one.sign("u1", "s1", NOW_S, {})
    assert tokens(token_keys={}).check(token, NOW_S).user_id == "u1"
    assert refused(token, Tokens(settings(token_keys={}), b"another pepper"))
    kid = jwt.get_unverified_header(token)["kid"]
    assert refused(forged({**GOOD, "kid": kid}, claims(), "pepper"), one)
