"""TLS of the link: which addresses are exposed, which files a frontend takes, why a handshake fails."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from gateway.app.frontend import tls_of
from gateway.app.link_tls import FrontendTls, is_plain_abroad, service_credentials, why_refused
from gateway.config.schema.edge import LinkTls
from gateway.rpc.link_server import LinkServer, serve
from tests.e2e.link_toy import Toy
from tests.support.certificates import make_certificates, needs_openssl


@pytest.mark.parametrize(
    ("address", "is_abroad"),
    [
        ("unix:/run/link", False),
        ("127.0.0.1:1", False),
        ("127.9.9.9:1", False),
        ("localhost:1", False),
        ("[::1]:1", False),
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("10.0.0.5:1", True),
        ("service.example:1", True),
    ],
)
def test_plain_text_counts_where_others_can_read_it(address: str, is_abroad: bool) -> None:
    """TCP beyond this machine is worth a warning; a unix socket, loopback and TLS are not."""
    assert is_plain_abroad(address, LinkTls()) is is_abroad
    assert not is_plain_abroad(address, LinkTls(cert_file="a", key_file="b"))


def test_without_files_there_is_no_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing given is plain TCP, for both ends; an empty variable is nothing."""
    monkeypatch.setenv("GATEWAY_LINK_TLS_CA", "")
    assert tls_of(None, None, None) is None
    assert service_credentials(LinkTls(), tmp_path) is None


@needs_openssl
def test_a_frontend_says_which_file_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, unfit and lonely files are named; files that fit are taken from the environment too."""
    ours, theirs = make_certificates(tmp_path / "a"), make_certificates(tmp_path / "b")
    with pytest.raises(ValueError, match="need --tls-ca"):
        tls_of(None, str(ours.cert), str(ours.key))
    with pytest.raises(ValueError, match="come together"):
        tls_of(str(ours.ca), str(ours.cert), None)
    with pytest.raises(ValueError, match=r"nowhere\.pem: No such file"):
        tls_of("nowhere.pem", None, None)
    with pytest.raises(ValueError, match=r"no certificate in .*end\.key"):
        tls_of(str(ours.key), None, None)
    with pytest.raises(ValueError, match="with its private key in"):
        tls_of(str(ours.ca), str(ours.cert), str(theirs.key))
    monkeypatch.setenv("GATEWAY_LINK_TLS_CA", str(ours.ca))
    assert tls_of(None, str(ours.cert), str(ours.key)) == FrontendTls(str(ours.ca), str(ours.cert), str(ours.key))


@needs_openssl
async def test_why_a_handshake_fails(tmp_path: Path) -> None:
    """Each mistake has words of its own; what works, and what is not there, has none."""
    ours, theirs = make_certificates(tmp_path / "a"), make_certificates(tmp_path / "b")
    mutual = LinkTls(cert_file="a/end.pem", key_file="a/end.key", ca_file="a/ca.pem")
    secured, port = await serve(LinkServer(Toy()), "127.0.0.1:0", service_credentials(mutual, tmp_path))
    plain, plain_port = await serve(LinkServer(Toy()), "127.0.0.1:0")
    tls, plain_tcp, absent = f"127.0.0.1:{port}", f"127.0.0.1:{plain_port}", "127.0.0.1:1"
    right = FrontendTls(str(ours.ca), str(ours.cert), str(ours.key))
    assert isinstance(right.credentials(), grpc.ChannelCredentials)
    assert await why_refused(tls, right) == ""
    assert await why_refused(absent, right) == ""
    assert await why_refused(plain_tcp, None) == ""
    assert await why_refused("unix:/nowhere", right) == ""
    assert "wants TLS" in await why_refused(tls, None)
    assert "does not speak TLS" in await why_refused(plain_tcp, right)
    assert "not trusted" in await why_refused(tls, FrontendTls(str(theirs.ca)))
    assert "wants a certificate" in await why_refused(tls, FrontendTls(str(ours.ca)))
    stranger = FrontendTls(str(ours.ca), str(theirs.cert), str(theirs.key))
    assert "wants a certificate" in await why_refused(tls, stranger)
    await secured.stop(0)
    await plain.stop(0)
