"""Amazon's signature, version 4, of one request.

Rules:
    - Signed are the host, the content type, the date and the session token; whatever is added later is not covered.
    - Amazon's own library (awscrt) signs. It is the extra `bedrock`, imported by the first signature only: 12 MB.
Not here:
    - Where keys come from (config).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from urllib.parse import urlsplit

from gateway.config.catalogue import AwsKeys
from gateway.core.errors import GatewayError, Kind

SERVICE = "bedrock"
WAIT_MAX_S = 5.0  # static keys are there at once; this bounds a defect


def signature_headers(
    url: str, headers: dict[str, str], body: bytes, keys: AwsKeys, now: datetime | None = None
) -> dict[str, str]:
    """The headers that sign a POST, in lower case; `now` is for tests.

    Raises GatewayError UNIMPLEMENTED when the extra is not installed.
    """
    try:
        from awscrt import auth, http  # for those who sign
    except ImportError as error:
        text = "Requests to Amazon cannot be signed: install the gateway with its extra `bedrock`."
        raise GatewayError(Kind.UNIMPLEMENTED, text, cause=str(error)) from error
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    signed = http.HttpHeaders([("host", parts.netloc), ("content-type", headers["content-type"])])
    request = http.HttpRequest("POST", path, signed)
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=auth.AwsCredentialsProvider.new_static(
            keys.access_key_id, keys.secret_access_key, keys.session_token
        ),
        region=keys.region,
        service=SERVICE,
        date=now or datetime.now(UTC),
        signed_body_value=hashlib.sha256(body).hexdigest(),
        signed_body_header_type=auth.AwsSignedBodyHeaderType.NONE,
    )
    auth.aws_sign_request(request, config).result(WAIT_MAX_S)
    return {name.lower(): value for name, value in request.headers if name.lower() != "host"}
