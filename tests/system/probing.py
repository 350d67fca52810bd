"""Asking the probe port of a real server."""

from __future__ import annotations

import json
from collections import Counter
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.system.serving import Home

DEADLINE = 5.0


def probes_of(home: Home) -> str:
    """Where its one server is probed."""
    [file] = (home.path / "run").glob("server-*.json")
    address: str = json.loads(file.read_text())["probes"]
    return address


def page(home: Home, path: str) -> tuple[int, str]:
    """Status and body."""
    return probe(probes_of(home), path)


def probe(address: str, path: str) -> tuple[int, str]:
    """The same; status 0 when nobody answers."""
    try:
        with urlopen(f"http://{address}{path}", timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (URLError, OSError):
        return 0, ""


def samples(home: Home) -> Counter[str]:
    """The values of a scrape by name, added up over their labels."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(page(home, "/metrics")[1]):
        for sample in family.samples:
            found[sample.name] += sample.value  # type: ignore[assignment]
    return found
