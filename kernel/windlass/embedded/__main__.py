"""`python -m windlass.embedded HOME`: runs the servers for a developer, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from windlass.embedded import EmbeddedError, start


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m windlass.embedded", description=__doc__)
    parser.add_argument("home", type=Path, metavar="HOME", help="the data directory")
    parser.add_argument("--no-valkey", action="store_true", help="PostgreSQL only")
    parser.add_argument("--tcp", action="store_true", help="PostgreSQL on a loopback port too, with a password")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with start(options.home, valkey=not options.no_valkey, tcp=options.tcp) as lease:
            print(f"PostgreSQL {lease.servers.postgres_version}  {lease.servers.postgres}")
            if lease.servers.valkey:
                print(f"Valkey           {lease.servers.valkey}")
            print("Ctrl-C ends them", flush=True)
            try:
                while not lease.lost(timeout=3600.0):
                    pass
            except KeyboardInterrupt:
                lease.close()
                return 0
        print("the supervisor died, and the servers with it: start again", file=sys.stderr)
    except EmbeddedError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
