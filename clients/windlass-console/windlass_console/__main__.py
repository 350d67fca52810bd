"""`python -m windlass_console FD …`: how a server runs it, on a socket of the server's, until the server goes."""

from __future__ import annotations

import typer

from windlass_console.command import beside_a_server

if __name__ == "__main__":
    typer.run(beside_a_server)
