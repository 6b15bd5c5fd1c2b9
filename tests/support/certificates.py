"""Certificates of a test: an authority and what it signs, made anew by openssl.

Rules: short-lived, in a folder of the test's own; nothing is kept in the repository.
Not here: what is trusted (the tests).
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: an authority, and one certificate of it for `localhost` and 127.0.0.1, for either end."""

    ca: Path
    cert: Path
    key: Path

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """Private key and certificate, as gRPC takes them."""
        return self.key.read_bytes(), self.cert.read_bytes()


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate under `folder`, which is made too."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    folder.mkdir(parents=True, exist_ok=True)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl("req", "-x509", *new_key, "-keyout", "end.key", "-out", "end.pem", "-subj", "/CN=localhost",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", NAMES)  # fmt: skip
    return Certificates(folder / "ca.pem", folder / "end.pem", folder / "end.key")
