from __future__ import annotations

import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass_cli.options import Detach, Format, Output, Pool, Priority, Retries, RetryPause, Title, read_text
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client
    from windlass_client.resources import TaskOptions

KIND = "ExecuteScript"
DEFAULT_INTERPRETER = "sh"
BY_SUFFIX = {
    ".sh": "sh",
    ".bash": "bash",
    ".py": "python3",
    ".pl": "perl",
    ".js": "node",
    ".rb": "ruby",
    ".awk": "awk",
}
SAME = {"python": "python3", "dash": "sh", "nodejs": "node", "gawk": "awk", "mawk": "awk"}


def run_script(  # noqa: PLR0913, PLR0917 - every option is a parameter
    file: Annotated[str, typer.Argument(metavar="FILE", help="The script; - reads it from standard input.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS]", help="For the script.")] = None,
    interpreter: Annotated[
        str, typer.Option(metavar="NAME", help="What reads it; default: its first line, its suffix, or sh.")
    ] = "",
    title: Title = "",
    priority: Priority = None,
    timeout: Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Ends each attempt.")] = None,
    pool: Pool = "",
    retries: Retries = None,
    retry_pause: RetryPause = None,
    detach: Detach = False,
    output: Output = Format.table,
) -> None:
    """Run a script on the server and follow it, live.

    Its output comes here: stdout to stdout, stderr to stderr. Its outcome becomes the exit code.

    The first Ctrl-C interrupts the script and waits for its end, the second one leaves.

    \b
    windlass run-script report.sh -- --year 2026
    echo date | windlass run-script -
    """
    script = read_text(file)
    payload: dict[str, Any] = {
        "script": script,
        "interpreter": interpreter or interpreter_of(script, file),
        "args": arguments or [],
    }
    if timeout is not None:
        payload["timeout"] = timeout
    options: TaskOptions = {
        "title": title or ("" if file == "-" else PurePath(file).name),
        "priority": priority,
        "pool": pool,
        "retry_attempts": retries,
        "retry_pause": retry_pause,
    }

    async def work(client: Client) -> int:
        from windlass_cli.commands.enqueue import tell_and_follow

        return await tell_and_follow(
            client, await client.enqueue(KIND, payload, **options), wait=not detach, output=output
        )

    with_client(work)


def interpreter_of(script: str, file: str) -> str:
    """From the script's first line, else the file's suffix, else sh.  Options in that line are not kept, but told."""
    first = script.partition("\n")[0]
    words = first[2:].split() if first.startswith("#!") else []
    if words and PurePath(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if not words:
        return BY_SUFFIX.get(PurePath(file).suffix, DEFAULT_INTERPRETER)
    if words[1:]:
        print(f"· not passed on from the script's first line: {' '.join(words[1:])}", file=sys.stderr)
    name = PurePath(words[0]).name
    return "python3" if name.startswith("python") else SAME.get(name, name)
