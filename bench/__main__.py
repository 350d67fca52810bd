"""`python -m bench [--dsn DSN] [--repeat N] [--rows N] [MEASURE…]`: measures, and prints a table with medians.

Without names, those that take seconds; `backlog`, `held`, `history` and `console` take minutes each and are
asked for by name.

Without `--dsn` an embedded PostgreSQL is started in a temporary directory.  Each measure gets a database of its own,
which is dropped afterwards.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from windlass import embedded

from bench import agents, attribution, buffer, console, console_watch, entities, lasting, measures, scripts, watching
from bench.measures import Row

MEASURES = (
    measures.MEASURES
    | watching.MEASURES
    | lasting.MEASURES
    | scripts.MEASURES
    | agents.MEASURES
    | attribution.MEASURES
    | buffer.MEASURES
    | entities.MEASURES
    | console.MEASURES
    | console_watch.MEASURES
)
WITH_ROWS = {"history": lasting.history, "console": console.console}
USUAL = [*measures.MEASURES, *watching.MEASURES, "store", "pickup-store", "idle", "two"]


@contextmanager
def server(dsn: str) -> Iterator[str]:
    if dsn:
        yield dsn
        return
    with tempfile.TemporaryDirectory() as home, embedded.start(Path(home), valkey=False) as lease:
        yield lease.servers.postgres


@contextmanager
def database(dsn: str) -> Iterator[str]:
    name = f"windlass_bench_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(dsn, dbname=name)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--dsn", default="")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", type=int, default=console.HISTORY, help=f"of history, for {' and '.join(WITH_ROWS)}")
    asked = parser.parse_args()
    if unknown := set(asked.measures) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    known = MEASURES | {name: partial(measure, rows=asked.rows) for name, measure in WITH_ROWS.items()}
    with server(asked.dsn) as dsn:
        with psycopg.connect(dsn) as connection:
            print(
                f"PostgreSQL {connection.info.server_version // 10_000}, {platform.platform()}, {os.cpu_count()} cores"
            )
        for name in asked.measures or USUAL:
            _measure(known[name], dsn, asked.repeat)


def _measure(measure: Callable[[str], list[Row]], dsn: str, repeat: int) -> None:
    found: dict[str, list[Row]] = defaultdict(list)
    for _ in range(repeat):
        with database(dsn) as scratch:
            for row in measure(scratch):
                found[row.measure].append(row)
    for what, rows in found.items():
        values = [row.value for row in rows]
        spread = f"({min(values):,.1f}-{max(values):,.1f}, {len(values)} runs)"
        print(f"{what:56} {statistics.median(values):>12,.1f} {rows[0].unit:8} {spread}  {rows[-1].note}", flush=True)


if __name__ == "__main__":
    main()
