"""Where the layers are: which files, in which order, and how a path is shown to people.

Rules:
    - A file of the user's `config/` stands in for the shipped file of the same name; the other shipped files apply.
    - Nothing is opened here.

Not here: reading the files (yaml_file, load).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import gateway

ENVIRONMENTS = ("development", "production", "test")
DEFAULT_ENVIRONMENT = "development"
TOPICS = ("settings.yaml", "providers.yaml", "models.yaml", "policies.yaml")
SECRETS_FILE = ".secrets.yaml"
STATE_DIR = ".gateway"


@dataclass(frozen=True)
class Sources:
    """The places one configuration is read from. All paths absolute."""

    root: Path
    config_dir: Path
    state_dir: Path
    environment: str

    @cached_property
    def shipped_dir(self) -> Path:
        """The defaults that come with the gateway: inside a wheel, or beside the package in a checkout."""
        package = Path(gateway.__file__).resolve().parent
        inside = package / "config" / "shipped"
        return inside if inside.is_dir() else package.parent / "config"

    def base_files(self) -> list[Path]:
        """Settings, topic files, profiles and the environment's file: lowest layer first."""
        names = [*TOPICS, *self._profile_names(), f"environments/{self.environment}.yaml"]
        return [path for name in names if (path := self._pick(name)) is not None]

    def local_files(self) -> list[Path]:
        """Files that may be there: this machine's own settings, keys written by commands, secrets."""
        return [self.config_dir / "local.yaml", self.state_dir / "keys.yaml", self.config_dir / SECRETS_FILE]

    def watched(self) -> list[Path]:
        """Every file a reload would read, whether it exists or not."""
        own = [self.config_dir / name for name in (*TOPICS, f"environments/{self.environment}.yaml")]
        return [*self.base_files(), *own, *self.local_files()]

    def shown(self, path: Path) -> str:
        """A path as the user would write it from the working root."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()

    def _pick(self, name: str) -> Path | None:
        for folder in (self.config_dir, self.shipped_dir):
            if is_there(folder / name):
                return folder / name
        return None

    def _profile_names(self) -> list[str]:
        folders = (self.config_dir / "profiles", self.shipped_dir / "profiles")
        return sorted({f"profiles/{path.name}" for folder in folders for path in folder.glob("*.yaml")})


def is_there(path: Path) -> bool:
    """Whether something stands at `path`, readable or not: what cannot be read must be said, not passed over."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def locate(
    root: Path | None, environ: Mapping[str, str], environment: str | None = None, config_dir: Path | None = None
) -> Sources:
    """The sources under `root` (default: the current directory), as arguments and variables choose them."""
    home = (root or Path.cwd()).resolve()
    chosen = config_dir or environ.get("GATEWAY_CONFIG_DIR") or "config"
    state = environ.get("GATEWAY_STATE_DIR") or STATE_DIR
    name = environment or environ.get("GATEWAY_ENV") or DEFAULT_ENVIRONMENT
    return Sources(home, home / chosen, home / state, name)
