"""Requests to Amazon are signed as Amazon wants it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from gateway.config.catalogue import AwsKeys
from gateway.providers.aws_signature import signature_headers
from gateway.simulator.aws import is_signed

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
PATH = "/model/anthropic.claude-v1%3A0/converse"
NOW = datetime(2026, 11, 20, 11, 0, 0, tzinfo=UTC)
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("token", "signature"),
    [
        ("TOK", "d09258c225aa22fb4cadaec2e9328aeb01ee48e0b990cc4085c41f0634e65198"),
        (None, "caa0dfd9e41d00a22adf24ac6c2ef1fa5957934e276e5932ae2de7f5041162a4"),
    ],
)
def test_the_signature_is_that_of_the_vendors_sdk(token: str | None, signature: str) -> None:
    """The values are botocore's, for the same request and second."""
    keys = AwsKeys("us-east-1", "AKID", "SECRET", token)
    made = signature_headers(f"https://{HOST}{PATH}", JSON, b"{}", keys, NOW)
    assert made["authorization"].endswith(f"Signature={signature}")
    assert (made["x-amz-date"], made.get("x-amz-security-token")) == ("20261120T110000Z", token)
    assert "SECRET" not in repr(made) + repr(keys)


def test_the_simulator_checks_all_of_a_request() -> None:
    """Another body, path, host, date or secret is refused."""
    keys = AwsKeys("us-east-1", "AKID", "SECRET", None)
    sent = {**JSON, "host": HOST, **signature_headers(f"https://{HOST}{PATH}", JSON, b"{}", keys)}
    assert is_signed(PATH, sent, b"{}", "SECRET")
    assert not is_signed(PATH, sent, b"{ }", "SECRET")
    assert not is_signed(PATH + "-stream", sent, b"{}", "SECRET")
    assert not is_signed(PATH, {**sent, "host": "elsewhere"}, b"{}", "SECRET")
    assert not is_signed(PATH, {**sent, "x-amz-date": "20200101T000000Z"}, b"{}", "SECRET")
    assert not is_signed(PATH, sent, b"{}", "OTHER")
    assert not is_signed(PATH, {**sent, "authorization": "Bearer x"}, b"{}", "SECRET")


WITHOUT = """
import sys
sys.modules["awscrt"] = None
from gateway.config.catalogue import AwsKeys
from gateway.core.errors import GatewayError
from gateway.providers.aws_signature import signature_headers
try:
    signature_headers("https://h/p", {"content-type": "x"}, b"", AwsKeys("r", "a", "s", None))
except GatewayError as error:
    print(error.kind.name, error)
"""


def test_without_the_extra_the_error_says_how_to_mend_it() -> None:
    """And nothing else needs the extra."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    assert "UNIMPLEMENTED" in done.stdout
    assert "extra `bedrock`" in done.stdout
