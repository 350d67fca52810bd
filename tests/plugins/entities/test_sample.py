"""The sample that the plugin brings: small, complete, and with its licences."""

from __future__ import annotations

from pathlib import Path

from windlass_entities.inputs import read_catalogue, read_list


def test_the_sample_is_small_and_says_whose_it_is(sample: Path) -> None:
    assert sum(path.stat().st_size for path in sample.rglob("*") if path.is_file()) <= 200_000
    said = (sample / "LICENCES.md").read_text()
    for word in ("CC0-1.0", "CC BY 4.0", "MIT License", "Unlicense", "routeviews.org", "db-ip.com"):
        assert word in said
    for path in sample.glob("feeds/wave*/*.netset"):
        assert path.read_text().startswith(f"# {path.stem}, 202")
        assert path.stem in said


def test_the_sample_has_what_tests_and_demo_need(sample: Path) -> None:
    waves = [
        {path.stem: read_list(path.read_bytes()) for path in sample.glob(f"feeds/wave{n}/*.netset")} for n in (1, 2, 3)
    ]
    catalogue = read_catalogue((sample / "feeds/catalog.json").read_bytes())
    assert set(waves[0]) == set(catalogue)
    assert set(waves[0]) - set(waves[1]) == set(waves[0]) - set(waves[2]) == {"ipsum_l5"}
    assert any(len(found.coverage.v6) for found in waves[0].values())
    lines = [(sample / f"feeds/wave{n}/microsoft.netset").read_text().splitlines()[1:] for n in (1, 2)]
    assert lines[0] != lines[1]
    assert waves[0]["microsoft"].coverage == waves[1]["microsoft"].coverage
    changed = [name for name in waves[1] if waves[0][name].coverage != waves[1][name].coverage]
    assert {"openai", "x4b_datacenter"} <= set(changed)
