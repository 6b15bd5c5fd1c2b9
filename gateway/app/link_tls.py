"""TLS of a link over TCP, and of the gRPC listener: credentials from files, and why a handshake with a service fails.

Rules:
    - Files are read once, when a role starts; nothing of a key is logged or shown.
    - gRPC says "Socket closed" for most refused handshakes: one handshake of Python's own ssl tells the reason.
Not here:
    - Which files (config's link.tls for the service, the command line for a frontend); secrets (rpc).
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:  # a frontend loads no configuration library
    from gateway.config.schema.edge import Tls

HANDSHAKE_S = 3.0
LAST_WORD_S = 1.0  # a service refuses a client's certificate after the client's last word of the handshake


@dataclass(frozen=True, slots=True)
class FrontendTls:
    """A frontend's files (PEM): the authorities that sign services, and its own certificate where they ask for one."""

    ca_file: str
    cert_file: str | None = None
    key_file: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises ValueError, naming what is wrong, when the files cannot be used."""
        self.context()
        own = (_read(self.key_file), _read(self.cert_file)) if self.key_file and self.cert_file else (None, None)
        return grpc.ssl_channel_credentials(_read(self.ca_file), *own)

    def context(self) -> ssl.SSLContext:
        """The same for Python's ssl. Raises ValueError as above."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("--tls-cert and --tls-key come together")
        for path in filter(None, (self.ca_file, self.cert_file, self.key_file)):
            _read(path)
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except ssl.SSLError:
            raise ValueError(f"--tls-ca: no certificate in {self.ca_file}") from None
        if self.cert_file and self.key_file:
            try:
                context.load_cert_chain(self.cert_file, self.key_file, password="")  # else it asks the terminal
            except (ssl.SSLError, ValueError):
                words = f"--tls-cert: no certificate in {self.cert_file} with its private key in {self.key_file}"
                raise ValueError(words) from None
        context.set_alpn_protocols(["h2"])
        return context


def service_credentials(tls: Tls, folder: Path) -> grpc.ServerCredentials | None:
    """The service's credentials, None without TLS; files are relative to `folder`. Raises OSError."""
    if tls.cert_file is None or tls.key_file is None:
        return None
    pair = ((folder / tls.key_file).read_bytes(), (folder / tls.cert_file).read_bytes())
    authorities = (folder / tls.ca_file).read_bytes() if tls.ca_file is not None else None
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)


def is_plain_abroad(address: str, tls: Tls) -> bool:
    """Whether what is sent to `address` can be read by others: TCP, no TLS, beyond this machine."""
    if address.startswith("unix:") or tls.cert_file is not None:
        return False
    host = address.rpartition(":")[0].strip("[]")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


async def why_refused(address: str, tls: FrontendTls | None) -> str:
    """Why a handshake with the service at `address` fails; empty when it does not, or when nothing answers at all."""
    if address.startswith("unix:"):
        return ""
    host, _, port = address.rpartition(":")
    try:
        context = tls.context() if tls is not None else _any_certificate()
        async with asyncio.timeout(HANDSHAKE_S):
            is_welcome = await _handshake(host.strip("[]"), int(port), context)
    except ssl.SSLCertVerificationError as error:
        return f"the service's certificate is not trusted: {error.verify_message} (--tls-ca)"
    except ssl.SSLError:
        return "the service does not speak TLS: set link.tls there, or leave out --tls-ca" if tls is not None else ""
    except (OSError, ValueError, TimeoutError):
        return ""
    if tls is None:
        return "the service wants TLS: pass --tls-ca"
    return "" if is_welcome else "the service wants a certificate its link.tls.ca_file signed: --tls-cert, --tls-key"


async def _handshake(host: str, port: int, context: ssl.SSLContext) -> bool:
    """Shake hands, then listen: a gRPC server speaks first, unless it refuses the certificate; then it hangs up."""
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        async with asyncio.timeout(LAST_WORD_S):
            return bool(await reader.read(1))
    except TimeoutError:
        return True
    except OSError:  # an alert, or a reset
        return False
    finally:
        writer.transport.abort()


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
