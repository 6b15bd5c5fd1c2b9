"""Make the committed protobuf code from `proto/`: official classes for the server, betterproto2 ones for the client.

Rules: the same proto files and the same lock file give the same bytes; `--check` writes nothing and names every file
    that differs; generated folders hold nothing else; `from gateway.wire.pb import chat_pb2` imports what
    `proto/gateway/v1/chat.proto` describes.
Not here: the meaning of the messages (comments in `proto/`), conversions between them and JSON (`gateway/wire`).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools

ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = ROOT / "proto"
PACKAGE_FOLDER = Path("gateway/v1")

OFFICIAL = Path("gateway/wire/pb")
CLIENT = Path("gateway/client/generated")

OFFICIAL_INIT = '''"""Messages and stubs made from `proto/gateway/v1` by `scripts/generate`.

Rules: never edited by hand; `scripts/check` regenerates and compares.
Not here: conversions to and from JSON (`gateway.wire`), the public client's messages (`gateway.client.generated`).
"""
'''

# protoc writes imports after the proto's own folder; ours live in a flat package inside the house.
_PROTOC_IMPORT = re.compile(r"^from gateway\.v1 import (\w+_pb2)", re.MULTILINE)
_PROTOC_MODULE = re.compile(r"'gateway\.v1\.(\w+_pb2)'")  # the `__module__` of every class: pickle looks there


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/generate", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing")
    arguments = parser.parse_args(argv)
    protos = sorted((PROTO_ROOT / PACKAGE_FOLDER).glob("*.proto"))
    if not protos:
        print(f"nothing to do: no .proto file in proto/{PACKAGE_FOLDER}")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        fresh = official_files(protos, Path(scratch)) | client_files(protos, Path(scratch))
    return check(fresh) if arguments.check else write(fresh)


def official_files(protos: list[Path], scratch: Path) -> dict[Path, str]:
    """Path below the repository -> text, for the server's classes, their type stubs and the gRPC stubs."""
    out = scratch / "official"
    out.mkdir()
    run_protoc(protos, f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}")
    services = {proto.stem for proto in protos if re.search(r"^service ", proto.read_text("utf-8"), re.MULTILINE)}
    files = {OFFICIAL / "__init__.py": OFFICIAL_INIT}
    for path in sorted((out / PACKAGE_FOLDER).iterdir()):
        if path.name.endswith("_pb2_grpc.py") and path.name.removesuffix("_pb2_grpc.py") not in services:
            continue  # protoc writes an empty stub file for a proto without services
        text = _PROTOC_IMPORT.sub(r"from gateway.wire.pb import \1", path.read_text("utf-8"))
        files[OFFICIAL / path.name] = _PROTOC_MODULE.sub(r"'gateway.wire.pb.\1'", text)
    return files


def client_files(protos: list[Path], scratch: Path) -> dict[Path, str]:
    """Path below the repository -> text, for the public client's dataclasses.

    The plugin also writes `message_pool.py` and packages for imported Google types into its output root; they all
    import each other relatively, so the whole root is kept as one sub-package.
    """
    out = scratch / "client"
    out.mkdir()
    run_protoc(protos, f"--python_betterproto2_out={out}", "--python_betterproto2_opt=client_generation=none")
    return {
        CLIENT / path.relative_to(out): path.read_text("utf-8") for path in sorted(out.rglob("*")) if path.is_file()
    }


def run_protoc(protos: list[Path], *outputs: str) -> None:
    site_packages = Path(grpc_tools.__file__).parent.parent
    includes = (PROTO_ROOT, Path(grpc_tools.__file__).parent / "_proto", site_packages)  # the last: google/rpc/*.proto
    command = [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{folder}" for folder in includes), *outputs]
    # protoc finds its plugin, and the plugin its formatter, on PATH.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    names = [str(proto.relative_to(PROTO_ROOT)) for proto in protos]
    result = subprocess.run(
        [*command, *names], cwd=PROTO_ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        sys.exit(f"protoc failed:\n{result.stderr}")


def committed_files() -> set[Path]:
    """What lies in the generated folders now, caches aside."""
    found = (path for folder in (OFFICIAL, CLIENT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT) for path in found if "__pycache__" not in path.parts}


def check(fresh: dict[Path, str]) -> int:
    committed = committed_files()
    problems = [f"missing: {path}" for path in sorted(fresh.keys() - committed)]
    problems += [f"left over: {path}" for path in sorted(committed - fresh.keys())]
    kept = sorted(fresh.keys() & committed)
    problems += [f"out of date: {path}" for path in kept if (ROOT / path).read_text("utf-8") != fresh[path]]
    if problems:
        print("\n".join(problems), "Run scripts/generate and commit the result.", sep="\n")
    return 1 if problems else 0


def write(fresh: dict[Path, str]) -> int:
    changed = 0
    for path in committed_files() - fresh.keys():
        (ROOT / path).unlink()
        changed += 1
    for path, text in fresh.items():
        target = ROOT / path
        if target.is_file() and target.read_text("utf-8") == text:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
        changed += 1
    print(f"{len(fresh)} generated files, {changed} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
