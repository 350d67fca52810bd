"""The repository as the meta tests see it."""

import ast
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PART_FOLDERS = ("proto", "kernel", "plugins", "clients")
GENERATED = "proto/windlass_proto/"


@dataclass(frozen=True, slots=True)
class Part:
    """One distribution of ours and the one package it brings."""

    folder: Path
    distribution: str
    package: str

    @property
    def family(self) -> str:
        """proto, kernel, plugins or clients"""
        return self.folder.parent.name if self.folder.parent.name in PART_FOLDERS else self.folder.name


def parts(root: Path = ROOT) -> list[Part]:
    """Every distribution on disk, whether or not anything names it yet."""
    below = [folder for family in PART_FOLDERS for folder in sorted(root.glob(f"{family}/windlass-*"))]
    folders = [root / "proto", root / "kernel", *below]
    packages = [init.parent for folder in folders for init in sorted(folder.glob("*/__init__.py"))]
    return [Part(package.parent, _distribution(package.parent), package.name) for package in packages]


def _distribution(folder: Path) -> str:
    pyproject = folder / "pyproject.toml"
    if not pyproject.exists():
        return f"(no pyproject.toml in {folder.name})"
    name: str = load_toml(pyproject)["project"]["name"]
    return name


def load_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


@cache
def files() -> list[str]:
    """What is committed or about to be, relative to the root: git's own answer, so that ignored files stay out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted({name for name in listed if name and (ROOT / name).is_file()})


def names_of_tests(path: Path) -> set[str]:
    """Those of this file; none when there is no such file."""
    if not path.exists():
        return set()
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in functions if name.startswith("test_")}


def python_files(*, tests: bool = False) -> list[str]:
    """Our own Python, without what is generated; with the tests only when asked."""
    return [
        name
        for name in files()
        if name.endswith(".py") and not name.startswith(GENERATED) and (tests or not name.startswith("tests/"))
    ]
