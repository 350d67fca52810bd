"""The plugin author's guide, followed to the letter: its commands are run, its files are written."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.meta.house import ROOT
from tests.system.test_readme_tour import checkout

__all__ = ["checkout"]

BLOCK = re.compile(
    r"(?:^<!-- (?P<file>\S+) -->\n)?^```(?P<kind>python|console)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)


def script(page: str) -> Iterator[str]:
    """The page as a shell script: what is typed, and the files that are shown, in the page's order."""
    for block in BLOCK.finditer(page):
        if block["kind"] == "python":
            yield f"cat > {block['file']} <<'END OF FILE'\n{block['text']}END OF FILE"
            continue
        for line in block["text"].splitlines():
            typed = line.removeprefix("$ ")
            assert typed != line, f"the guide shows {line!r} in a console block, and nobody types that"
            yield f"echo {shlex.quote(typed)} >&2"
            yield typed
            if typed.endswith("&"):
                yield f"until {typed.split()[0]} active; do sleep 0.1; done"


def test_the_guide_is_followed_to_the_letter(checkout: Path) -> None:
    lines = [
        "set -e",
        ". .venv/bin/activate 2>/dev/null || PATH=$PWD/.venv/bin:$PATH",
        *script((ROOT / "docs" / "plugins.md").read_text("utf-8")),
        "kill %%",
        "wait",
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINDLASS_", "PYTEST_"))}
    environ = {**kept, "WINDLASS_HOME": str(checkout / "home"), "WINDLASS_SERVER_LISTEN": "127.0.0.1:0"}
    out_file, err_file = checkout / "out", checkout / "err"
    with out_file.open("w") as out, err_file.open("w") as err:
        command = ["bash", "-c", "\n".join(lines)]
        guide = subprocess.Popen(command, cwd=checkout, env=environ, stdout=out, stderr=err, start_new_session=True)
    try:
        code = guide.wait(timeout=100)
    finally:
        if guide.poll() is None:
            os.killpg(guide.pid, signal.SIGKILL)
            guide.wait()
    shown = out_file.read_text()
    assert code == 0, f"{shown}\n{err_file.read_text()}"
    assert shown.count(" passed") == 2
    assert "refused, and not tried again" in shown
    assert f"tally {checkout}/acme-tally/README.md" in shown


def test_every_file_of_the_guide_says_where_it_goes() -> None:
    blocks = list(BLOCK.finditer((ROOT / "docs" / "plugins.md").read_text("utf-8")))
    assert [block["text"] for block in blocks if block["kind"] == "python" and not block["file"]] == []
    assert len([block for block in blocks if block["file"]]) == 4
