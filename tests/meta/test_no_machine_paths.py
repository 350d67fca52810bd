"""What we commit knows nothing of the machine it was written on, nor of where packages are downloaded from."""

import configparser
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.meta.house import ROOT, files

NOBODYS = {Path("/"), Path("/tmp")}  # a checkout there says nothing about a machine


def _places() -> list[str]:
    """Folders of this machine that no file may name: the one above the checkout, and the user's home."""
    return [str(folder) for folder in (ROOT.parent, Path.home()) if folder not in NOBODYS]


def _hosts() -> set[str]:
    """The public registries (spelt in pieces: this file is searched too) and whatever this machine has configured."""
    names = {".".join(("py" + "pi", "org")), ".".join(("files", "python" + "hosted", "org"))}
    names |= {".".join(("registry", "npm" + "js", "org")), ".".join(("deb", "debian", "org"))}
    addresses = [value for name, value in os.environ.items() if name.endswith(("INDEX_URL", "FIND_LINKS"))]
    for path in (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
        config = configparser.RawConfigParser()
        config.read(path)
        settings = [setting for section in config.values() for setting in section.items()]
        addresses += [value for key, value in settings if key.endswith("index-url")]
    return names | {host for line in addresses for word in line.split() if (host := urlsplit(word).hostname)}


def _pattern() -> re.Pattern[str]:
    places = [rf"(?<![\w.\-}}]){re.escape(place)}(?![\w.\-])" for place in _places()]
    hosts = [rf"(?<![\w\-]){re.escape(host)}(?![\w\-])" for host in _hosts() - {"localhost", "127.0.0.1"}]
    return re.compile("|".join(places + hosts))


def test_no_file_names_a_place_of_this_machine_or_a_package_registry():
    pattern = _pattern()
    found = [
        f"{name}: {match[0]}"
        for name in files()
        for match in pattern.finditer((ROOT / name).read_text(errors="ignore"))
    ]
    assert found == []


@pytest.mark.parametrize("host", sorted(_hosts()))
def test_the_search_sees_a_registry(host):
    assert _pattern().search(f"--index-url https://{host}/simple")


def test_the_search_sees_the_checkout():
    for place in _places():
        assert _pattern().search(f'PATH = "{place}/main"')
        assert not _pattern().search(f"see docs{place}/main")
