"""The small sample of real lists and tables that comes with the plugin, to try it with."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from msgspec.structs import replace

from windlass_entities.settings import EntitiesSettings

TABLES = {"countries": "country-ipv4.csv.gz", "asns": "asn-ipv4.csv.gz"}


def on_sample(settings: EntitiesSettings) -> EntitiesSettings:
    """The settings with all paths below the folder `sample`; unchanged when there is none."""
    if not settings.sample:
        return settings
    folder = Path(settings.sample)
    paths = {name: str(folder / file) for name, file in TABLES.items()}
    paths |= {"feeds": str(folder / "feeds"), "catalogue": str(folder / "catalog.json"), "root": str(folder / "root")}
    return replace(settings, sample="", **paths)


def unpack(folder: Path) -> None:
    """Puts the sample into the folder, unless it is there already: who tries it may change the lists."""
    if (folder / "feeds").exists():
        return
    with as_file(files("windlass_entities") / "sample") as sample:
        (folder / "root").mkdir(parents=True, exist_ok=True)
        for file in TABLES.values():
            shutil.copy(sample / "geo" / file, folder / file)
        shutil.copy(sample / "LICENCES.md", folder / "LICENCES.md")
        shutil.copy(sample / "feeds" / "catalog.json", folder / "catalog.json")
        shutil.copytree(sample / "feeds" / "wave1", folder / "feeds.new", dirs_exist_ok=True)
        # Last, by a rename: only a sample that is there whole is there.
        (folder / "feeds.new").rename(folder / "feeds")
