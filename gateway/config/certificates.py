"""Certificate files, the listeners' and the providers', as they are on disk: there, readable, and what they should be.

Rules:
    - Reads files; what is wrong is said at the key that names the file.
    - No content of a file gets into a message.

Not here: which keys belong together (references.py); the credentials made of the files (app/link_tls.py).
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath

from gateway.config.references import Complaint
from gateway.config.schema.edge import Tls
from gateway.config.schema.upstream import Provider


def complaints(tls: Tls, folder: FilePath, section: str = "link") -> Iterator[Complaint]:
    """Every file of the `tls` of a section (relative to `folder`) that cannot be used."""
    named = {"cert_file": tls.cert_file, "key_file": tls.key_file, "ca_file": tls.ca_file}
    unread = {key: reason for key, name in named.items() if name is not None and (reason := _why_unread(folder / name))}
    for key, reason in unread.items():
        hint = "give a path relative to the configuration directory, or an absolute one"
        yield Complaint((section, "tls", key), f"{named[key]} {reason}", hint)
    if tls.cert_file and tls.key_file and not {"cert_file", "key_file"} & set(unread):
        yield from _pair(folder / tls.cert_file, folder / tls.key_file, tls.cert_file, section)
    if tls.ca_file and "ca_file" not in unread:
        yield from _authorities(folder / tls.ca_file, tls.ca_file, (section, "tls", "ca_file"))


def of_providers(providers: Mapping[str, Provider]) -> Iterator[Complaint]:
    """Every `ca_file` of a provider that cannot be used."""
    for slug, provider in providers.items():
        if provider.ca_file is None:
            continue
        path = ("providers", slug, "ca_file")
        if reason := _why_unread(FilePath(provider.ca_file)):
            yield Complaint(path, f"{provider.ca_file} {reason}", "give the path of a PEM file")
        else:
            yield from _authorities(FilePath(provider.ca_file), provider.ca_file, path)


def _why_unread(path: FilePath) -> str:
    try:
        with path.open("rb") as file:
            return "" if file.read(1) else "is empty"
    except FileNotFoundError:
        return "is not there"
    except IsADirectoryError:
        return "is a directory"
    except OSError:
        return "cannot be read"


def _pair(cert: FilePath, key: FilePath, shown: str, section: str) -> Iterator[Complaint]:
    import ssl

    def load() -> None:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")  # else it asks the terminal

    if not _is_accepted(load):
        words = f"no certificate in {shown} with its private key, unencrypted, in key_file"
        yield Complaint((section, "tls", "cert_file"), words, "both are PEM files")


def _authorities(path: FilePath, shown: str, key: tuple[str, ...]) -> Iterator[Complaint]:
    import ssl

    def load() -> None:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)

    if not _is_accepted(load):
        yield Complaint(key, f"no certificate in {shown}", "it is a PEM file")


def _is_accepted(load: Callable[[], None]) -> bool:
    try:
        load()
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return False
    return True
