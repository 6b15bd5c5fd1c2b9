"""The one configuration tree: closed, frozen, and the source of documentation, JSON Schema and `explain`.

Rules:
    - Every setting is declared here once, with default, unit, bounds and description.
    - Importing this package imports pydantic but never dynaconf.

Not here: where values come from (config/load.py); rules that span sections (config/references.py).
"""

from typing import Literal

from gateway.config.schema.access import Auth, Key, Keys, Limits
from gateway.config.schema.accounts import Accounts, Database, TokenKey
from gateway.config.schema.admin import Admin
from gateway.config.schema.base import SecretValue, Section, Slug, setting
from gateway.config.schema.caching import Cache, ModelCache
from gateway.config.schema.edge import Backoff, Cors, Grpc, Host, Http, Link, Listener, Process
from gateway.config.schema.keeping import Responses
from gateway.config.schema.models import Candidate, Model, Models, Policies, Retry, RetryOverrides
from gateway.config.schema.pricing import Pricing
from gateway.config.schema.profiles import Profile
from gateway.config.schema.rest import Observe, Simulator
from gateway.config.schema.routing import BreakerOverrides, BreakerRules, Routing
from gateway.config.schema.store import Store
from gateway.config.schema.upstream import Paths, Provider, Providers, TimeoutOverrides, Timeouts

Environment = Literal["development", "production", "test"]


def _default_profile() -> dict[str, Profile]:
    return {"default": Profile()}


class Config(Section):
    """Everything the gateway does."""

    environment: Environment = setting(
        "development", "Which `environments/` file applies. Chosen by `GATEWAY_ENV`, not by a file.", reloads=False
    )
    http: Http = setting(Http, "The HTTP listener of a frontend.")
    grpc: Grpc = setting(Grpc, "The gRPC listener of a service.")
    link: Link = setting(Link, "The stream between a frontend and the service.")
    process: Process = setting(Process, "Processes and their lives.")
    auth: Auth = setting(Auth, "How callers prove who they are.")
    limits: Limits = setting(Limits, "Limits of a key that sets none of its own.")
    keys: Keys = setting(dict, "API keys by slug; written by `gateway keys`.")
    database: Database = setting(Database, "Where accounts live.")
    accounts: Accounts = setting(Accounts, "Users, their keys and their sessions.")
    providers: Providers = setting(dict, "Vendor accounts by slug.")
    models: Models = setting(dict, "Models by slug.")
    policies: Policies = setting(Policies, "Defaults for how calls are routed.")
    cache: Cache = setting(Cache, "Answers that are given again.")
    responses: Responses = setting(Responses, "Answers kept to be continued.")
    store: Store = setting(Store, "What several services share.")
    admin: Admin = setting(Admin, "Who may ask about routing.")
    profiles: dict[Slug, Profile] = setting(_default_profile, "Client-visible behaviour by name.")
    observe: Observe = setting(Observe, "Logs, metrics and health.")
    simulator: Simulator = setting(Simulator, "The stand-in upstream.")


__all__ = [
    "Admin",
    "Accounts",
    "Auth",
    "Backoff",
    "BreakerOverrides",
    "BreakerRules",
    "Cache",
    "Candidate",
    "Config",
    "Cors",
    "Database",
    "Environment",
    "Grpc",
    "Host",
    "Http",
    "Key",
    "Keys",
    "Limits",
    "Link",
    "Listener",
    "Model",
    "ModelCache",
    "Models",
    "Observe",
    "Paths",
    "Policies",
    "Pricing",
    "Process",
    "Profile",
    "Provider",
    "Providers",
    "Responses",
    "Retry",
    "RetryOverrides",
    "Routing",
    "SecretValue",
    "Section",
    "Simulator",
    "Slug",
    "Store",
    "TimeoutOverrides",
    "Timeouts",
    "TokenKey",
    "setting",
]
