"""The stand-in: while no provider can be reached, the simulator serves the well-known names in development.

Rules:
    - Pure: a tree in, a tree out. Never in production, whatever is written.
    - `sim*` and `bench*` always go to the simulator where it is on; other models only while no provider is available.
    - The address of the simulator is known only at run time: `at_address` fills it in.

Not here: the simulator itself (gateway/simulator); starting it (app.py).
"""

from gateway.config.schema import Candidate, Config, Model, Provider

PROVIDER = "simulator"
MODEL = "simulator"
NAMES = ("sim*", "bench*")
UNKNOWN_URL = "http://127.0.0.1:0/v1"


def is_on(config: Config) -> bool:
    """Whether the simulator runs: `auto` means in development and test."""
    if config.environment == "production":
        return False
    return config.simulator.enabled != "off"


def is_needed(config: Config) -> bool:
    """Whether the well-known names go to the simulator: it runs, and no real provider is available."""
    real = (provider for slug, provider in config.providers.items() if slug != PROVIDER)
    return is_on(config) and not any(provider.is_available for provider in real)


def apply(config: Config, base_url: str = UNKNOWN_URL) -> Config:
    """`config` with the stand-in provider, its model, and - while needed - it as last candidate of every model."""
    if not is_on(config):
        return config
    provider = Provider(dialect="openai", base_url=base_url, auth="none", is_local=True)
    models = {slug: _with_standin(model) if is_needed(config) else model for slug, model in config.models.items()}
    taken = {name for model in config.models.values() for name in model.names}
    names = tuple(name for name in NAMES if name not in taken)
    if names and MODEL not in models:
        models[MODEL] = _own_model(names)
    return config.model_copy(update={"providers": {PROVIDER: provider, **config.providers}, "models": models})


def at_address(config: Config, host: str, port: int) -> Config:
    """`config` with the stand-in provider's URL set, once the simulator listens. Unchanged when there is none."""
    provider = config.providers.get(PROVIDER)
    if provider is None:
        return config
    shown = f"[{host}]" if ":" in host else host
    moved = provider.model_copy(update={"base_url": f"http://{shown}:{port}/v1"})
    return config.model_copy(update={"providers": {**config.providers, PROVIDER: moved}})


def _with_standin(model: Model) -> Model:
    if any(candidate.provider == PROVIDER for candidate in model.candidates):
        return model
    last = max(candidate.priority for candidate in model.candidates)
    standin = Candidate(provider=PROVIDER, priority=last)
    return model.model_copy(update={"candidates": (*model.candidates, standin)})


def _own_model(names: tuple[str, ...]) -> Model:
    return Model(
        names=names,
        owned_by="gateway",
        capabilities=(
            "chat",
            "completion",
            "embedding",
            "vision",
            "audio",
            "function_calling",
            "json_mode",
            "json_schema",
        ),
        has_dimensions=True,
        candidates=(Candidate(provider=PROVIDER),),
    )
