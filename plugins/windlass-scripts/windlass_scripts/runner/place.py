"""The private directory of one attempt: `script` beside `work`, the script's own home, out of its way."""

from __future__ import annotations

import os

SCRIPT = b"script"
HOME = b"work"


def make_place(root: bytes, script: bytes) -> None:
    """Make it, for our user alone, with the script in it unless that is empty.  Raises OSError."""
    os.mkdir(root, 0o700)
    os.mkdir(os.path.join(root, HOME), 0o700)
    if script:
        with open(os.open(os.path.join(root, SCRIPT), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(script)


def remove_place(root: bytes) -> None:
    """Remove it, with all the script left there."""
    try:
        if os.path.exists(os.path.join(root, SCRIPT)):
            os.unlink(os.path.join(root, SCRIPT))
        os.rmdir(os.path.join(root, HOME))
        os.rmdir(root)
    except OSError:  # not empty, most likely
        from .remove import remove_tree  # loads shutil, 10 ms that a script without leavings need not pay

        remove_tree(os.fsdecode(root))
