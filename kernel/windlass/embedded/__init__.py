"""PostgreSQL and Valkey for one machine, started for you: the same code path as production, only nobody installs them.

    with start(Path("data")) as lease:
        psycopg.connect(lease.servers.postgres)

A small supervisor process (supervisor.py) owns the servers of a home folder. All who start() it share them, and it ends
them with their last user.
"""

from windlass.embedded.errors import EmbeddedError
from windlass.embedded.lease import Lease, Servers, start

__all__ = ["EmbeddedError", "Lease", "Servers", "start"]
