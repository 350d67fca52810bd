"""What others would install: each part brings its one package whole, the meta distribution brings no code."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.meta.house import ROOT, Part, parts

SHARED = ".data/data/share/windlass/"  # what is not Python: the .proto files, for clients in other languages


@pytest.fixture
def wheel(tmp_path):
    """Builds a folder's wheel and lists its files, those of its metadata left out."""

    def build(folder: Path) -> list[str]:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
        built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert built.returncode == 0, built.stdout + built.stderr
        (file,) = tmp_path.glob("*.whl")
        return [name for name in ZipFile(file).namelist() if ".dist-info/" not in name]

    return build


def test_the_meta_distribution_brings_no_code(wheel):
    assert wheel(ROOT) == []


@pytest.mark.parametrize("part", [pytest.param(part, id=part.distribution) for part in parts()])
def test_a_part_brings_its_package_with_all_its_data_and_nothing_else(wheel, part: Part):
    names = set(wheel(part.folder))
    assert [name for name in names if not name.startswith(f"{part.package}/") and SHARED not in name] == []
    on_disk = {str(path.relative_to(part.folder)) for path in (part.folder / part.package).rglob("*") if path.is_file()}
    assert {name for name in on_disk - names if "__pycache__" not in name} == set()
