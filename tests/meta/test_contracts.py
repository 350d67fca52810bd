"""The import contracts hold, each of them can fail, and none of our packages is left out of them."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.meta.house import ROOT, Part, load_toml, parts, python_files

CONFIGURATION: dict[str, Any] = load_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


def _lint(tree: Path, *, paths: str | None = None) -> subprocess.CompletedProcess[str]:
    # Wide, so that no line is broken.
    environment = {**os.environ, "COLUMNS": "1000", **({"PYTHONPATH": paths} if paths else {})}
    command = [sys.executable, "-c", LINT, "--no-logo", "--no-cache"]
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


class Verdict(NamedTuple):
    """What was said of each contract, by its id; and where each line was planted."""

    sections: dict[str, str]
    numbers: dict[tuple[str, str], int]


BREAKS = [
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
    ("buffer-client-alone", "windlass_buffer_client/__init__.py", "import windlass_client"),
    ("cli-alone", "windlass_cli/__init__.py", "from windlass import Handler"),
    ("console-alone", "windlass_console/__init__.py", "import windlass_proto"),
    ("proto-alone", "windlass_proto/__init__.py", "import windlass_client"),
]
"""A contract, and a line that breaks it when it stands at the end of that module."""


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """All of these lines in one copy of our packages, side by side, under the same contracts."""
    tree = tmp_path_factory.mktemp("contracts")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for part in parts():
        shutil.copytree(part.folder / part.package, tree / part.package, ignore=shutil.ignore_patterns("__pycache__"))
    numbers = {}
    for _, module, line in BREAKS:
        path = tree / module
        lines = [*(path.read_text().splitlines() if path.exists() else ()), line]
        path.write_text("\n".join([*lines, ""]))
        numbers[module, line] = len(lines)
    ran = _lint(tree, paths=str(tree))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    _, _, broken = ran.stdout.partition("Broken contracts")
    return Verdict({each["id"]: _section(broken, each["name"]) for each in CONFIGURATION["contracts"]}, numbers)


def _section(broken: str, name: str) -> str:
    """What is said of the contract of this name; empty when it is kept."""
    _, _, behind = broken.partition(f"\n{name}\n---")
    return re.split(r"^-{4,}$", behind.partition("\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize(("contract", "module", "line"), BREAKS)
def test_a_contract_sees_what_breaks_it(verdict: Verdict, contract: str, module: str, line: str):
    importer = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if not line:
        complaint = rf"^- {re.escape(importer)}$"
    else:
        imported = line.split()[1]
        named = imported if imported.startswith("windlass") else imported.partition(".")[0]
        # This import by itself, not as a step on a longer way that another line has opened.
        complaint = (
            rf"^- +{re.escape(importer)} -> {re.escape(named)} \(.*\bl\.{verdict.numbers[module, line]}\b.*\)\n\n"
        )
    assert re.search(complaint, verdict.sections[contract], re.MULTILINE), verdict.sections[contract]


def test_every_contract_is_proved_able_to_fail():
    assert {contract for contract, _, _ in BREAKS} == {contract["id"] for contract in CONFIGURATION["contracts"]}


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
            part.package in sources
            for sources in _sources("client-alone", "buffer-client-alone", "cli-alone", "console-alone")
        ):
            problems.append(
                f"{part.package} is in source_modules of none of"
                " client-alone, buffer-client-alone, cli-alone, console-alone"
            )
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
