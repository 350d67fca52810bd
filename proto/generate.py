"""Generates the typed Python stubs of windlass.v1, and holds the protocol to its rules.

    python proto/generate.py            write windlass_proto/v1 anew from windlass/v1/*.proto
    python proto/generate.py --check    change nothing; fail when the stubs are not what the protos generate,
                                        when `buf lint` complains, or when a change would break existing callers
    python proto/generate.py --accept   as without options, and make the protocol of now the baseline (baseline.binpb)
                                        that later changes must not break: with a release, or when a break is meant

The protocol's package is `windlass.v1`, its Python package `windlass_proto.v1`: `windlass` is the kernel's.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
STUBS = HERE / "windlass_proto" / "v1"
BASELINE = HERE / "baseline.binpb"
BIN = Path(sys.executable).parent
"""protoc's plugins and buf are installed beside the Python that runs this, whether or not that is on PATH."""


class Problem(Exception):
    """What is wrong, in words for whoever changed a .proto file."""


def main() -> None:
    """Exits 0 when all is well, 1 with the problem on stderr."""
    parser = argparse.ArgumentParser(description="Generate and check the Python stubs of windlass.v1.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="change nothing; fail when something is not right")
    choice.add_argument("--accept", action="store_true", help="also renew the baseline, which no change may break")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="windlass-proto-") as scratch:
            run(Path(scratch), check=options.check, accept=options.accept)
    except Problem as problem:
        sys.exit(f"proto: {problem}")


def run(scratch: Path, *, check: bool, accept: bool) -> None:
    """Generates into `scratch`, compares (`check`) or installs the result, then checks the rules."""
    generated = generate(scratch)
    if check:
        compare(generated)
    else:
        install(generated)
    image = write_image(scratch / "image.binpb", "--include_source_info")
    lint(image)
    if accept:
        write_image(BASELINE)
    refuse_breaks(image)


def generate(scratch: Path) -> Path:
    """The folder with the finished stubs: messages with types, services with types for both gRPC APIs."""
    plugins = [f"--plugin={name}={BIN / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    protoc(f"--python_out={scratch}", f"--mypy_out=quiet:{scratch}", *plugins, *protos("*.proto"))
    protoc(f"--grpc_python_out={scratch}", f"--mypy_grpc_out=quiet:{scratch}", *plugins, *protos("*_service.proto"))
    stubs = scratch / "windlass" / "v1"
    for file in stubs.iterdir():
        file.write_text(into_our_package(file.read_text()))
    (stubs / "__init__.py").write_text('"""Generated from windlass/v1/*.proto by generate.py: do not edit."""\n')
    return stubs


def protos(pattern: str) -> list[str]:
    """The .proto files that match, as protoc names them, in a fixed order."""
    return sorted(str(path.relative_to(HERE)) for path in (HERE / "windlass").rglob(pattern))


def into_our_package(code: str) -> str:
    """Imports and module names of the stubs, moved; names of the protocol and of its files stay."""
    code = re.sub(r"^from windlass\.v1 import", "from windlass_proto.v1 import", code, flags=re.MULTILINE)
    return re.sub(r"'windlass\.v1\.(\w+_pb2)'", r"'windlass_proto.v1.\1'", code)


def write_image(target: Path, *options: str) -> Path:
    """All descriptors, with those of imports, as one FileDescriptorSet: buf reads it without asking a registry."""
    protoc(f"--descriptor_set_out={target}", "--include_imports", *options, *protos("*.proto"))
    return target


def lint(image: Path) -> None:
    buf("lint", str(image), "--path", "windlass", failure="the .proto files break the rules of buf.yaml")


def refuse_breaks(image: Path) -> None:
    """Against the committed baseline: what was published stays readable and callable."""
    if not BASELINE.exists():
        raise Problem(f"{BASELINE.name} is missing: write it with python proto/generate.py --accept")
    buf(
        *("breaking", str(image), "--path", "windlass", "--against", str(BASELINE)),
        failure="this change breaks existing callers; if it is meant, run python proto/generate.py --accept",
    )


def compare(generated: Path) -> None:
    fresh, committed = contents(generated), contents(STUBS)
    stale = sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))
    if stale:
        raise Problem(f"not what the .proto files generate: {', '.join(stale)}; run make proto and commit the result")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.py*") if path.is_file()}


def install(generated: Path) -> None:
    shutil.rmtree(STUBS, ignore_errors=True)
    shutil.copytree(generated, STUBS)


def protoc(*arguments: str) -> None:
    call([sys.executable, "-m", "grpc_tools.protoc", "--proto_path=.", *arguments], "protoc refuses the .proto files")


def buf(*arguments: str, failure: str) -> None:
    call([str(BIN / "buf"), *arguments, "--config", "buf.yaml"], failure)


def call(command: list[str], failure: str) -> None:
    """Runs a tool beside the protos; its own words follow the failure."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem("\n".join([failure, (done.stdout + done.stderr).strip()]))


if __name__ == "__main__":
    main()
