"""The import contracts hold, each of them can fail, and none of our packages is left out of them."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.meta.house import ROOT, Part, load_toml, parts, python_files

CONFIGURATION: dict[str, Any] = load_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


def _lint(tree: Path, *options: str, paths: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": paths} if paths else None
    command = [sys.executable, "-c", LINT, "--no-logo", "--no-cache", *options]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


# --- they hold


def test_every_import_contract_is_kept():
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_core_asks_no_clock():
    """What import-linter cannot see: datetime is imported for its types, and nobody calls its clock."""
    calls = [
        f"{name}:{node.lineno}"
        for name in python_files()
        if name.startswith("kernel/windlass/core/")
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
    ]
    assert calls == []


# --- each can fail


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our packages side by side, under the same contracts."""
    tree = tmp_path_factory.mktemp("contracts")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for part in parts():
        shutil.copytree(part.folder / part.package, tree / part.package, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


@pytest.mark.parametrize(
    ("contract", "module", "line"),
    [
        ("kernel-alone", "windlass/errors.py", "import windlass_scripts"),
        ("kernel-alone", "windlass/host/__init__.py", "import windlass_client"),
        ("agent-apart", "windlass_agent/__init__.py", "import psycopg"),
        ("agent-apart", "windlass_agent/__init__.py", "import windlass.control"),
        ("layers", "windlass/host/__init__.py", "import windlass.control"),
        ("layers", "windlass/store/__init__.py", "import windlass.host"),
        ("layers", "windlass/core/__init__.py", "import windlass.store"),
        ("layers", "windlass/a_module_nobody_named.py", ""),
        ("core-decides", "windlass/core/__init__.py", "import time"),
        ("core-decides", "windlass/core/__init__.py", "from random import random"),
        ("core-decides", "windlass/core/__init__.py", "import windlass.hookspecs"),
        ("core-decides", "windlass/errors.py", "import socket"),
        ("protobuf-stops", "windlass/host/__init__.py", "import grpc"),
        ("protobuf-stops", "windlass/store/__init__.py", "from google.protobuf import struct_pb2"),
        ("protobuf-stops", "windlass_cli/__init__.py", "import windlass_proto"),
        ("telemetry-alone", "windlass/host/__init__.py", "from opentelemetry import trace"),
        ("telemetry-alone", "windlass/control/__init__.py", "import prometheus_client"),
        ("plugins-public-names", "windlass_scripts/__init__.py", "import windlass.core"),
        ("plugins-public-names", "windlass_scripts/__init__.py", "from windlass.handler import Handler"),
        ("plugins-apart", "windlass_scripts/__init__.py", "import windlass_client"),
        ("client-alone", "windlass_client/__init__.py", "import windlass.errors"),
        ("cli-alone", "windlass_cli/__init__.py", "from windlass import Handler"),
        ("proto-alone", "windlass_proto/__init__.py", "import windlass_client"),
    ],
)
def test_a_contract_sees_what_breaks_it(copy, contract, module, line):
    path = copy / module
    before = path.read_text() if path.exists() else None
    try:
        path.write_text(f"{before or ''}\n{line}\n")
        result = _lint(copy, "--contract", contract, paths=str(copy))
    finally:
        path.unlink() if before is None else path.write_text(before)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout, result.stdout + result.stderr


def test_every_contract_is_proved_able_to_fail():
    (marks,) = [mark for mark in test_a_contract_sees_what_breaks_it.pytestmark if mark.name == "parametrize"]
    assert {case[0] for case in marks.args[1]} == {contract["id"] for contract in CONFIGURATION["contracts"]}


# --- none of ours is left out


ENDS_OF_A_PLUGIN = {
    "source_modules": {"plugins-public-names", "plugins-apart", "protobuf-stops"},
    "forbidden_modules": {"agent-apart", "kernel-alone", "client-alone", "cli-alone", "proto-alone"},
}
ENDS_OF_AN_AGENT = {"source_modules": {"agent-apart"}, "forbidden_modules": {"kernel-alone", "plugins-apart"}}
ENDS_OF_A_CLIENT = {
    "forbidden_modules": {"agent-apart", "kernel-alone", "plugins-apart", "proto-alone"},
}


def unnamed(found: list[Part]) -> list[str]:
    """Each place in the contracts where a package found on disk ought to stand and does not."""
    problems = []
    for part in found:
        expected = {"plugins": ENDS_OF_A_PLUGIN, "clients": ENDS_OF_A_CLIENT}.get(part.family, {})
        if part.distribution == "windlass-agent":
            expected = ENDS_OF_AN_AGENT
        if part.package not in CONFIGURATION["root_packages"]:
            problems.append(f"{part.package} is not in root_packages")
        problems += [
            f"{part.package} is not in {end} of {contract['id']}"
            for contract in CONFIGURATION["contracts"]
            for end, contracts in expected.items()
            if contract["id"] in contracts and part.package not in contract[end]
        ]
        if part.family == "clients" and not any(
            part.package in sources for sources in _sources("client-alone", "cli-alone")
        ):
            problems.append(f"{part.package} is in source_modules of neither client-alone nor cli-alone")
    return problems


def _sources(*ids: str) -> list[list[str]]:
    return [contract["source_modules"] for contract in CONFIGURATION["contracts"] if contract["id"] in ids]


def test_every_package_of_ours_is_named_in_the_contracts():
    assert unnamed(parts()) == []
    assert set(CONFIGURATION["root_packages"]) == {part.package for part in parts()}


@pytest.mark.parametrize("folder", ["plugins/windlass-new", "clients/windlass-new"])
def test_a_new_part_that_no_contract_names_is_seen(tmp_path, folder):
    package = tmp_path / folder / "windlass_new"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    problems = unnamed(parts(tmp_path))
    assert "windlass_new is not in root_packages" in problems
    assert len(problems) > 1
