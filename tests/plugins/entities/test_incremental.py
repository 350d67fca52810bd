"""What refreshes leave behind is what a clean rebuild makes, byte for byte, public and private."""

from __future__ import annotations

import ipaddress
import os
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from windlass_entities.engine.state import forget

from tests.plugins.entities.workshop import START, Workshop, changes

THOROUGH = bool(os.environ.get("WINDLASS_THOROUGH"))
ORDERS = 40 if THOROUGH else 2
EXAMPLES = 1000 if THOROUGH else 25
WAVES = (1, 2, 3)


@pytest.mark.parametrize("seed", range(ORDERS))
def test_three_waves_in_any_order_of_feeds_are_what_a_clean_rebuild_makes(
    seed: int, tmp_path: Path, data: Path
) -> None:
    """Every feed goes from wave to wave on its own; refreshes take one feed or a few."""
    shop, other = Workshop(tmp_path / "one", data), Workshop(tmp_path / "other", data)
    shuffled = random.Random(seed)
    for wave in WAVES:
        names = shop.wave(wave)
        shuffled.shuffle(names)
        for batch in batches(names, shuffled):
            shop.refresh(*batch)
        other.wave(wave)
        other.refresh(*names)
        forget()
        assert not changes(shop.files(), other.files())
    twin = shop.clean_twin(tmp_path / "twin")
    assert not changes(shop.files(), twin.files())
    assert shop.rebuild() is None
    assert len(shop.pages()) > 100


def batches(names: Sequence[str], shuffled: random.Random) -> list[Sequence[str]]:
    """The names in a few pieces; of the small sample one by one."""
    size = 1 if len(names) < 10 else shuffled.choice((3, 7, 14))
    return [names[at : at + size] for at in range(0, len(names), size)]


COUNTRIES = (
    "0.0.0.0,9.255.255.255,AA\n10.0.0.0,10.0.0.255,DE\n10.0.1.0,10.0.1.255,FR\n10.0.3.0,200.0.0.0,US\n"
    "2001:db8::,2001:db8::ffff,US\n2001:db8:1::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,DE\n"
)
ASNS = (
    "10.0.0.0,10.0.0.127,100,One\n10.0.0.200,10.0.2.255,200,Two\n11.0.0.0,255.255.255.255,400,Four\n"
    "2001:db8::,2001:db8::ff,300,Three\n2001:db8:8000::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,4294967295,Last\n"
)
v4_lines = st.builds(
    lambda base, offset, prefix: f"{ipaddress.IPv4Address((base + offset) % 2**32)}/{prefix}",
    st.sampled_from([0, 0x0A000000, 0x0A0000F0, 0x0A000100, 0x0A0002F0, 0xC8000000, 2**32 - 4]),
    st.integers(0, 40),
    st.sampled_from([32, 32, 31, 28, 25, 24, 8, 0]),
)
v6_lines = st.builds(
    lambda base, offset, prefix: f"{ipaddress.IPv6Address((base + offset) % 2**128)}/{prefix}",
    st.sampled_from([int(ipaddress.IPv6Address(text)) for text in ("::", "2001:db8::f0", "2001:db8:7fff::", "fff0::")]),
    st.integers(0, 40),
    st.sampled_from([128, 127, 120, 64, 33, 32, 8, 0]),
)
lists = st.lists(st.one_of(v4_lines, v4_lines, v6_lines), max_size=6).map(lambda lines: "\n".join([*lines, "#", ""]))
FEEDS = ("alpha", "beta", "gamma")
steps = st.lists(
    st.dictionaries(st.sampled_from(FEEDS), st.one_of(st.none(), lists), min_size=1), min_size=1, max_size=5
)


@pytest.mark.timeout(1200)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps)
def test_whatever_feeds_hold_refreshes_make_what_a_clean_rebuild_makes(steps: list[dict[str, str | None]]) -> None:
    """Each step brings files or takes them away, and refreshes just those feeds."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        for table, text in (("country", COUNTRIES), ("asn", ASNS)):
            (place / "shop").mkdir(exist_ok=True)
            (place / "shop" / f"{table}-ipv4.csv").write_text(text)
        shop = Workshop(place / "shop")
        shop.describe(*FEEDS)
        for number, step in enumerate(steps):
            shop.now = START + timedelta(days=number)
            for feed, lines in step.items():
                if lines is not None:
                    shop.put(feed, lines)
                elif (shop.folder / f"{feed}.netset").exists():
                    shop.take_away(feed)
            shop.refresh(*step)
        shop.refresh(*FEEDS)
        forget()
        assert not changes(shop.files(), shop.clean_twin(place / "twin").files())
