"""Amazon's signature, version 4, as the receiver of a POST checks it.

Rules: pure; written from the specification with the standard library, not with what the gateway signs with.
Not here: what is answered when it is wrong (server.py).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>[^,]+), ?SignedHeaders=(?P<names>[^,]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_REQUIRED = {"host", "x-amz-date"}


def is_signed(path: str, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether a POST to a path without query is signed with this secret; `path` is as it was sent."""
    found = _HEADER.fullmatch(headers.get("authorization", ""))
    if found is None or "?" in path:
        return False
    names = found["names"].split(";")
    if not set(names) >= _REQUIRED or ("x-amz-security-token" in headers and "x-amz-security-token" not in names):
        return False
    date = headers.get("x-amz-date", "")
    signed = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    canonical = "\n".join(
        ["POST", quote(path, safe="/-_.~"), "", signed, found["names"], hashlib.sha256(body).hexdigest()]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", date, found["scope"], digest])
    key = f"AWS4{secret}".encode()
    for part in found["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    is_scoped = found["scope"].startswith(f"{date[:8]}/") and found["scope"].endswith("/bedrock/aws4_request")
    return is_scoped and hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found["signature"])
