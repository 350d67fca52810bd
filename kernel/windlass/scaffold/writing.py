"""Writes a plugin's folder: all of it, or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from windlass.scaffold.errors import NotWritten
from windlass.scaffold.names import Names

SUFFIX = ".tmpl"
"""So that no tool takes the templates for Python, a README or a .gitignore of our own."""


def write_plugin(names: Names, parent: Path) -> Path:
    """The new folder in `parent`.  Raises `NotWritten`, and then nothing is there that was not there before."""
    folder = parent / names.name
    if not parent.is_dir():
        raise NotWritten(f"there is no folder {parent}")
    if folder.exists() or folder.is_symlink():
        raise NotWritten(f"{folder} exists already: take another name, or another --directory")
    try:
        # Written beside its place and moved there at the end, so that nobody ever sees half of it.
        with tempfile.TemporaryDirectory(prefix=f".{names.name}-", dir=parent) as place:
            fresh = Path(place) / names.name
            for name, text in _filled(names):
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                (fresh / name).write_text(text, "utf-8")
            fresh.rename(folder)
    except OSError as error:
        raise NotWritten(f"{folder} can't be written: {error.strerror}") from error
    return folder


def _filled(names: Names) -> Iterator[tuple[str, str]]:
    kernel = ".".join(version("windlass-kernel").split(".")[:2])
    values = {"name": names.name, "package": names.package, "kind": names.kind, "version": kernel}
    for path, template in _templates(files("windlass.scaffold") / "template", ""):
        name = path.removesuffix(SUFFIX).replace("gitignore", ".gitignore").replace("package/", f"{names.package}/")
        yield name, Template(template.read_text("utf-8")).substitute(values)


def _templates(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _templates(each, f"{path}{each.name}/")
        elif each.name.endswith(SUFFIX):
            yield path + each.name, each
