# Shared by the scripts in this folder; sourced, never run.
#
# Rules: needs Python 3.11+ with pip and nothing else; writes only inside the repository (`.venv`, `.venv-tools`,
#   `tests/js/node_modules`) and into the caches uv and npm already use; silent and fast when nothing changed.
# Not here: what is checked (run_checks.py), what is generated (generate_code.py).

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

VENV="$ROOT/.venv"
TOOLS="$ROOT/.venv-tools"
UV_PIN="0.13.8"

# An interpreter that happens to be missing is an error of this machine, not a reason to download one.
export UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT="$VENV"
# Machines behind a company proxy have their certificate in the system store: uv and node read it there, as pip does.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" NODE_USE_SYSTEM_CA="${NODE_USE_SYSTEM_CA:-1}"
# A caller's active environment or import path must not leak into ours.
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# step TEXT COMMAND...: run a slow command; print what is being waited for and the seconds it took.
# Its output is shown only when it fails.
step() {
  local text="$1" started="$SECONDS" log status=0
  shift
  log="$(mktemp)"
  printf '%s ... ' "$text" >&2
  "$@" >"$log" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    say "failed (exit $status)"
    cat "$log" >&2
    rm -f "$log"
    return "$status"
  fi
  rm -f "$log"
  say "done in $((SECONDS - started)) s"
}

is_supported_python() {
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

# find_python: prints the absolute path of the interpreter to use. $PYTHON wins; 3.11 is preferred because it was
# measured to need the least CPU; a virtual environment made earlier keeps its interpreter.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" "$VENV/bin/python" python3.11 python3.12 python3.13 python3 python; do
    [ -n "$candidate" ] || continue
    if is_supported_python "$candidate"; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return 0
    fi
    [ "$candidate" != "${PYTHON:-}" ] || die "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13."
  done
  die "no Python 3.11, 3.12 or 3.13 found on PATH. Install one (Debian: apt install python3), or name it:" \
    "PYTHON=/path/to/python3.11 $0"
}

# install_uv PYTHON: the pinned uv into .venv-tools. `pip --target` needs no venv module and leaves the system alone.
install_uv() {
  local fresh="$TOOLS.$$"
  rm -rf "$fresh"
  if "$1" -m pip --version >/dev/null 2>&1; then
    "$1" -m pip install --quiet --disable-pip-version-check --no-deps --target "$fresh" "uv==$UV_PIN" || return 1
  else
    "$1" -m venv "$fresh" && "$fresh/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_PIN" ||
      return 1
  fi
  rm -rf "$TOOLS"
  mv "$fresh" "$TOOLS"
}

is_recent_uv() {
  local version
  version="$("$1" --version 2>/dev/null)" || return 1
  [[ "$version" =~ ^uv\ ([0-9]+)\.([0-9]+) ]] || return 1
  ((BASH_REMATCH[1] > 0 || BASH_REMATCH[2] >= 8))
}

# find_uv PYTHON: sets UV to a uv that reads our lock file: the one on PATH, else the private one.
find_uv() {
  UV="uv"
  if is_recent_uv uv; then return 0; fi
  UV="$TOOLS/bin/uv"
  if is_recent_uv "$UV"; then return 0; fi
  step "Installing uv $UV_PIN into .venv-tools" install_uv "$1" ||
    die "could not install uv. It needs pip ($1 -m pip) and a package index. Or install uv yourself: pip install uv"
}

# stamp_text SCOPE: everything that decides what the environment contains; equal text = up to date.
stamp_text() {
  printf '%s %s\n' "$1" "$ROOT"
  case "$1" in
    js) cat tests/js/package.json tests/js/package-lock.json ;;
    *) cat pyproject.toml uv.lock ;;
  esac
}

is_fresh() { [ -f "$2" ] && stamp_text "$1" | cmp -s - "$2"; }

# was_moved: whether .venv was made for another folder; its programs then name an interpreter that is not there.
was_moved() {
  local stamp root
  for stamp in "$VENV"/.stamp-*; do
    [ -f "$stamp" ] || continue
    read -r _ root <"$stamp"
    [ "$root" = "$ROOT" ] || return 0
  done
  return 1
}

# ensure_python_env serve|dev: .venv as the lock file says. `serve` leaves development packages that are there alone.
ensure_python_env() {
  local scope="$1" python flags=(--all-groups)
  if [ -x "$VENV/bin/python" ]; then
    is_fresh dev "$VENV/.stamp-dev" && return 0
    [ "$scope" != serve ] || ! is_fresh serve "$VENV/.stamp-serve" || return 0
  fi
  if was_moved; then rm -rf "$VENV"; fi
  [ "$scope" = dev ] || flags=(--no-dev --inexact)
  python="$(find_python)" || exit 1
  find_uv "$python"
  step "Installing the locked packages ($scope) into .venv" \
    "$UV" sync --frozen --no-progress --python "$python" "${flags[@]}" ||
    die "the environment is incomplete; run the command again once the cause above is mended."
  stamp_text "$scope" >"$VENV/.stamp-$scope"
}

# ensure_js_env: the pinned npm packages of the JavaScript SDK tests, with the Node that came from PyPI.
ensure_js_env() {
  is_fresh js tests/js/node_modules/.stamp && return 0
  step "Installing the locked npm packages into tests/js" \
    env PATH="$VENV/bin:$PATH" npm --prefix tests/js ci --no-audit --no-fund --ignore-scripts ||
    die "npm could not install tests/js; see above."
  stamp_text js >tests/js/node_modules/.stamp
}
