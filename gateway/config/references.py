"""Rules that span sections: what is named exists, is named once, and is safe in this environment.

Rules:
    - Pure: a tree in, complaints out; all of them.
    - A missing secret is a mistake for a provider that is `on` and used, in production; elsewhere that provider is
      unavailable and says why. For anything that is not a provider it is a mistake everywhere.

Not here: rules about one value (the schema).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from urllib.parse import urlsplit

from gateway.config.choice import wrong_routes
from gateway.config.problems import Path, did_you_mean
from gateway.config.schema import Config, Provider
from gateway.config.schema.edge import Tls
from gateway.config.standin import NAMES, PROVIDER, is_on
from gateway.core.secret import Secret

CREDENTIAL_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
STORE_SCHEMES = ("redis", "rediss", "unix", "valkey", "valkeys")
TOKEN_SECRET_MIN_CHARS = 32
DATABASES = ("postgresql://", "postgres://", "sqlite:////")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One broken rule: where in the tree, in which words, and how to mend it."""

    path: Path
    words: str
    hint: str = ""
    refers: Path = ()
    """What was looked for and not found."""


def complaints(config: Config) -> Iterator[Complaint]:
    """Every broken rule of `config`, as written (before the stand-in provider is added)."""
    yield from _candidates(config)
    yield from _wire_names(config)
    yield from _key_records(config)
    yield from _provider_urls(config)
    yield from _provider_headers(config)
    yield from _missing_secrets(config)
    yield from _production(config)
    yield from _profiles(config)
    yield from _link(config)
    yield from _tls("link", config.link.tls)
    yield from _tls("grpc", config.grpc.tls)
    yield from _accounts(config)
    yield from _embeddings(config)
    yield from _provider_keys(config)
    for path, words, hint, refers in wrong_routes(config):
        yield Complaint(path, words, hint, refers)
    yield from _store(config)
    yield from _tokenizers(config)


def _candidates(config: Config) -> Iterator[Complaint]:
    known = {*config.providers, PROVIDER} if is_on(config) else set(config.providers)
    for slug, model in config.models.items():
        for index, candidate in enumerate(model.candidates):
            path = ("models", slug, "candidates", index)
            if candidate.provider not in known:
                words = f'unknown provider "{candidate.provider}"'
                yield Complaint(
                    (*path, "provider"),
                    words,
                    did_you_mean(candidate.provider, known),
                    ("providers", candidate.provider),
                )
            first = model.candidates.index(candidate)
            if first < index:
                yield Complaint(path, f"the same as candidates[{first}]", "remove one")


def _wire_names(config: Config) -> Iterator[Complaint]:
    seen: dict[str, Path] = {}
    for slug, model in config.models.items():
        for index, name in enumerate(model.names):
            path = ("models", slug, "names", index)
            if name in seen:
                where = seen[name]
                also = "above" if where[1] == slug else f"by models.{where[1]}"
                yield Complaint(path, f'the name "{name}" is taken {also}', "a name leads to one model; use candidates")
            seen.setdefault(name, path)


def _key_records(config: Config) -> Iterator[Complaint]:
    ids: dict[str, str] = {}
    hmacs: dict[str, str] = {}
    for slug, key in config.keys.items():
        for field, value, seen in (("id", key.id, ids), ("hmac", key.hmac, hmacs)):
            if value in seen:
                words = f"the same {field} as keys.{seen[value]}"
                yield Complaint(("keys", slug, field), words, "make another with `gateway keys create`")
            seen.setdefault(value, slug)
        for index, wanted in enumerate(key.models):
            if not _is_known_model(config, wanted):
                names = {name for model in config.models.values() for name in model.names}
                path = ("keys", slug, "models", index)
                yield Complaint(path, f'unknown model "{wanted}"', did_you_mean(wanted, names), ("models",))


def _is_known_model(config: Config, wanted: str) -> bool:
    if any(mark in wanted for mark in "*?["):
        return True
    if is_on(config) and any(fnmatchcase(wanted, name) for name in NAMES):
        return True
    return any(fnmatchcase(wanted, name) for model in config.models.values() for name in model.names)


def _provider_urls(config: Config) -> Iterator[Complaint]:
    for slug, provider in config.providers.items():
        url = urlsplit(provider.base_url)
        path = ("providers", slug, "base_url")
        if url.scheme == "http" and not provider.is_local:
            yield Complaint(path, "http:// would send the key in clear", "use https://, or set is_local: true")
        if "@" in url.netloc:
            yield Complaint(path, "a URL with a password in it", "use api_key")


def _provider_headers(config: Config) -> Iterator[Complaint]:
    for slug, provider in config.providers.items():
        for name in provider.headers:
            if name.lower() in CREDENTIAL_HEADERS:
                yield Complaint(
                    ("providers", slug, "headers", name), "a credential as plain header", "use api_key and auth"
                )


def _provider_keys(config: Config) -> Iterator[Complaint]:
    for slug, provider in config.providers.items():
        if provider.api_key is not None and provider.api_keys:
            yield Complaint(("providers", slug, "api_keys"), "stands beside api_key", "keep one of them")


def _missing_secrets(config: Config) -> Iterator[Complaint]:
    others: tuple[tuple[Path, Secret | None], ...] = (
        (("admin", "key"), config.admin.key),
        (("auth", "pepper"), config.auth.pepper),
        (("auth", "dev_key"), config.auth.dev_key),
        (("link", "secret"), config.link.secret),
        (("store", "url"), config.store.url),
    )
    for path, secret in others:
        if secret is not None and not secret.is_set:
            yield Complaint(path, f"missing secret: {secret.absence}", "set it, or remove the key")
    if config.environment != "production":
        return
    used = {candidate.provider for model in config.models.values() for candidate in model.candidates}
    for slug, provider in config.providers.items():
        if provider.enabled == "on" and slug in used:
            yield from _missing_keys(slug, provider)


def _missing_keys(slug: str, provider: Provider) -> Iterator[Complaint]:
    """A sole key that is absent, or one of several."""
    for at, key in enumerate(provider.keys):
        if not key.is_set:
            where: Path = ("api_keys", at) if provider.api_keys else ("api_key",)
            hint = "set it, or set enabled: auto or off"
            yield Complaint(("providers", slug, *where), f"missing secret: {key.absence}", hint)


def _production(config: Config) -> Iterator[Complaint]:
    if config.environment != "production":
        return
    if config.simulator.enabled == "on":
        yield Complaint(("simulator", "enabled"), "the simulator never runs in production", "set it to auto or off")
    if not config.auth.is_required:
        yield Complaint(("auth", "is_required"), "calls without a key are refused in production", "remove it")
    if config.auth.dev_key is not None:
        yield Complaint(("auth", "dev_key"), "a development key in production", "make one with `gateway keys create`")


def _profiles(config: Config) -> Iterator[Complaint]:
    if "default" not in config.profiles:
        yield Complaint(("profiles",), 'the profile "default" is missing', "write at least `default: {}`")
    chosen: list[tuple[Path, str]] = [(("http", "profile"), config.http.profile)]
    chosen += [(("http", "listeners", slug, "profile"), each.profile) for slug, each in config.http.listeners.items()]
    chosen += [(("http", "hosts", at, "profile"), host.profile) for at, host in enumerate(config.http.hosts)]
    for path, name in chosen:
        if name not in config.profiles and name != "default":
            hint = did_you_mean(name, config.profiles)
            yield Complaint(path, f'unknown profile "{name}"', hint, ("profiles", name))
    yield from _addresses(config)
    names = [host.name for host in config.http.hosts]
    for at, name in enumerate(names):
        if name in names[:at]:
            yield Complaint(("http", "hosts", at, "name"), f'the host "{name}" is there already', "remove one")


def _addresses(config: Config) -> Iterator[Complaint]:
    """Every listener has an address of its own; a port the system chooses always is."""
    taken = {(config.http.host, config.http.port): "http"}
    for slug, each in config.http.listeners.items():
        other = taken.setdefault((each.host, each.port), f"http.listeners.{slug}")
        if each.port and other != f"http.listeners.{slug}":
            path: Path = ("http", "listeners", slug, "port")
            yield Complaint(path, f"{each.host}:{each.port} is the address of {other}", "choose another port")


def _link(config: Config) -> Iterator[Complaint]:
    address = config.link.address
    if address is None or address.startswith("unix:"):
        return
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65_535:
        yield Complaint(("link", "address"), f'expected HOST:PORT or unix:PATH, found "{address}"')
    elif host not in LOCAL_HOSTS and config.link.secret is None and config.link.tls.ca_file is None:
        yield Complaint(
            ("link", "secret"),
            f"is missing: {address} is not this machine",
            "write {env: GATEWAY_LINK_SECRET}, or set link.tls.ca_file",
        )


def _tls(section: str, tls: Tls) -> Iterator[Complaint]:
    if tls.cert_file is None and (tls.key_file is not None or tls.ca_file is not None):
        lonely = "key_file" if tls.key_file is not None else "ca_file"
        yield Complaint((section, "tls", "cert_file"), f"is missing beside {lonely}", "add the service's certificate")
    if tls.key_file is None and tls.cert_file is not None:
        words = "add the certificate's private key"
        yield Complaint((section, "tls", "key_file"), "is missing beside cert_file", words)


def _store(config: Config) -> Iterator[Complaint]:
    url, replicas = config.store.url, config.store.replicas
    if url is None or not url.is_set:
        if replicas > 1:
            words = f"is missing: {replicas} services (store.replicas) would each count every limit on their own"
            yield Complaint(("store", "url"), words, "write {env: GATEWAY_STORE_URL}, or leave out store.replicas")
        return
    if replicas > 1 and config.accounts.enabled and not _is_postgres(config):
        words = f"is missing: {replicas} services (store.replicas) would each have accounts of their own"
        hint = "give the URL of a PostgreSQL server, or set accounts.enabled to false"
        yield Complaint(("database", "url"), words, hint)
    if url.reveal().partition("://")[0] not in STORE_SCHEMES:
        shown = ", ".join(f"{scheme}://" for scheme in STORE_SCHEMES)
        yield Complaint(("store", "url"), "not the URL of a store", f"begin it with one of {shown}")
    elif find_spec("redis") is None:
        yield Complaint(("store", "url"), "needs redis-py, which is not installed", "install the extra `redis`")


def _is_postgres(config: Config) -> bool:
    url = config.database.url
    return url is not None and url.is_set and url.reveal().startswith(("postgres://", "postgresql://"))


def _tokenizers(config: Config) -> Iterator[Complaint]:
    if find_spec("bpe_openai") is not None:
        return
    for slug, model in config.models.items():
        if model.tokenizer != "estimate":
            text = "needs bpe-openai, which is not installed"
            yield Complaint(("models", slug, "tokenizer"), text, "install the extra `tokens`, or write estimate")


def _accounts(config: Config) -> Iterator[Complaint]:
    url = config.database.url
    if url is not None and url.is_set and not url.reveal().startswith(DATABASES):
        hint = f"it begins with one of {', '.join(DATABASES)}"
        yield Complaint(("database", "url"), "a URL of another kind of database", hint)
    keys, signing = config.accounts.token_keys, config.accounts.token_signing_key
    if signing is not None and signing not in keys:
        hint = did_you_mean(signing, keys)
        yield Complaint(("accounts", "token_signing_key"), f'unknown token key "{signing}"', hint)
    for slug, key in keys.items():
        if key.secret.is_set and len(key.secret.reveal()) < TOKEN_SECRET_MIN_CHARS:
            path = ("accounts", "token_keys", slug, "secret")
            hint = "make one: python3 -c 'import secrets; print(secrets.token_hex(32))'"
            yield Complaint(path, f"shorter than {TOKEN_SECRET_MIN_CHARS} characters", hint)


def _embeddings(config: Config) -> Iterator[Complaint]:
    for slug, model in config.models.items():
        if model.dimensions_allowed and not model.has_dimensions:
            path = ("models", slug, "dimensions_allowed")
            yield Complaint(path, "has no effect while has_dimensions is false", "set has_dimensions: true")
        window, output = model.context_window_tokens, model.output_max_tokens
        if window is not None and output is not None and output > window:
            words = f"{output} is above context_window_tokens ({window})"
            yield Complaint(("models", slug, "output_max_tokens"), words, "swap them?")
