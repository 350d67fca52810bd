"""Failpoints: off they cost nothing, armed they act when and where they were told, and say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from windlass import failpoints
from windlass.failpoints import Order, read

PROGRAM = """
from windlass import failpoints
from windlass.errors import WindlassError
here = failpoints.failpoint("here", "a place of this test")
there = failpoints.failpoint("there", "another")
try:
    failpoints.refuse_unknown()
    for n in range(1, 4):
        if here:
            here(n=n)
        print(n, "there" if there else "")
except WindlassError as error:
    print(type(error).__name__, error.message)
"""


def run(orders: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, failpoints.VARIABLE: orders, **environ}
    return subprocess.run(
        [sys.executable, "-u", "-c", PROGRAM], env=environ, capture_output=True, text=True, timeout=30
    )


def test_a_place_nobody_armed_is_none() -> None:
    assert failpoints.failpoint("test.nowhere", "only here") is None
    del failpoints.PLACES["test.nowhere"]


def test_orders_are_read() -> None:
    assert read(" a=note, b.c=pause:8@#3 ,d=lost@0.02,,a=exit") == {
        "a": [Order("note"), Order("exit")],
        "b.c": [Order("pause", seconds=8.0, nth=3)],
        "d": [Order("lost", chance=0.02)],
    }


@pytest.mark.parametrize(
    "wrong", ["a", "a=explode", "a=pause", "a=exit:3", "a=pause:soon", "a=lost@often", "a=lost@#x"]
)
def test_words_that_are_no_orders_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="a"):
        read(wrong)
    assert run(wrong).stdout.startswith("ConfigError WINDLASS_FAILPOINTS: ")


def test_a_place_that_nobody_declared_is_refused_with_the_nearest_name() -> None:
    assert run("hree=exit").stdout.startswith("ConfigError WINDLASS_FAILPOINTS: there is no place 'hree'; did you mean")


def test_an_exit_is_at_the_hit_that_was_named() -> None:
    ran = run("here=exit@#3")
    assert (ran.returncode, ran.stdout) == (failpoints.EXIT_CODE, "1 \n2 \n")


def test_a_lost_answer_is_a_store_that_does_not_answer() -> None:
    assert run("here=lost@#2").stdout == "1 \nStoreUnavailable failpoint here: the answer is lost\n"


def test_a_chance_of_zero_never_comes_and_another_place_is_not_touched() -> None:
    assert run("here=lost@0.0").stdout == "1 \n2 \n3 \n"


def test_each_act_is_logged_with_its_facts_before_it_happens(tmp_path: Path) -> None:
    log = tmp_path / "hits"
    run("here=note", WINDLASS_FAILPOINTS_LOG=str(log))
    run("here=exit@#1", WINDLASS_FAILPOINTS_LOG=str(log))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["place"], line["action"], line["n"]) for line in lines] == [
        ("here", "note", 1),
        ("here", "note", 2),
        ("here", "note", 3),
        ("here", "exit", 1),
    ]


def test_a_pause_stops_the_whole_process_and_it_goes_on_by_itself() -> None:
    environ = {**os.environ, failpoints.VARIABLE: "here=pause:0.5@#1"}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environ, stdout=subprocess.PIPE, text=True)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    stopped = time.monotonic()
    assert os.WIFSTOPPED(status)
    assert process.communicate(timeout=20)[0] == "1 \n2 \n3 \n"
    assert time.monotonic() - stopped > 0.3
