"""Where things lie below the home folder.

HOME/postgres          PostgreSQL's data          HOME/log/*.log   what the supervisor and the servers said
HOME/valkey            Valkey's data              HOME/run         locks and sockets, 0700; not ours alone
HOME/postgres.new-*    an unfinished initdb       HOME/postgres.password   for TCP only, 0600
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from windlass.embedded.errors import EmbeddedError


@dataclass(frozen=True, slots=True)
class Layout:
    home: Path

    @classmethod
    def create(cls, home: Path) -> Layout:
        """Makes the folders that are missing; leaves the mode of every existing one as it is."""
        layout = cls(home.absolute())
        try:
            layout.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (layout.run, layout.log):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EmbeddedError(f"cannot write to {home} ({error.strerror}): choose another data directory") from error
        return layout

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def valkey(self) -> Path:
        return self.home / "valkey"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def lock(self) -> Path:
        return self.run / "supervisor.lock"

    @property
    def sockets(self) -> Path:
        return self.run / "sockets"

    @property
    def binaries(self) -> Path:
        return self.run / "binaries"

    @property
    def supervisor_log(self) -> Path:
        return self.log / "supervisor.log"

    @property
    def password(self) -> Path:
        return self.home / "postgres.password"
