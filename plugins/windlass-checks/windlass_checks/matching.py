"""Regular expressions in a process of their own.

Some take for ever on some texts ("(a+)+$"), hold the interpreter meanwhile, and nothing in the same process can stop
them.  The patterns come from payloads, the texts from strangers, so the process is killed with the look.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

PROGRAM = """
import re, sys
size = int.from_bytes(sys.stdin.buffer.read(4), "big")
pattern = sys.stdin.buffer.read(size).decode()
text = sys.stdin.buffer.read().decode(errors="replace")
sys.stdout.write("1" if re.search(pattern, text) else "0")
"""


async def matches(pattern: str, text: bytes) -> bool:
    """Whether the pattern is found in the text, read as UTF-8.  Cancelled, it kills the process."""
    encoded = pattern.encode()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        "-c",
        PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        answer, _ = await process.communicate(len(encoded).to_bytes(4, "big") + encoded + text)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return answer == b"1"
