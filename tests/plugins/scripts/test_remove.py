"""Removing a private directory never reaches beyond it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MOUNT_AND_REMOVE = """
import os, subprocess, sys
from windlass_scripts.runner.remove import remove_tree
root, precious = sys.argv[1:]
for name in ("a mount", "a mount/inner"):
    os.makedirs(os.path.join(root, name), exist_ok=True)
    subprocess.run(["mount", "--bind", precious, os.path.join(root, name)], check=True)
    os.makedirs(os.path.join(precious, "inner"), exist_ok=True)
print(remove_tree(root), os.path.exists(root))
"""


def test_what_a_script_mounted_is_let_go_and_not_deleted(tmp_path: Path):
    """A script of root that leaves a bind mount of the system's own root behind must not cost the system."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("kept")
    own_namespace = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.getuid() else [])
    if subprocess.run([*own_namespace, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives its users no mount namespace")
    command = [*own_namespace, sys.executable, "-c", MOUNT_AND_REMOVE, str(tmp_path / "root"), str(precious)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr
    assert (precious / "data").read_text() == "kept"


async def test_links_are_removed_and_not_followed(handler, ctx, asked, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data").write_text("kept")
    await handler.run(ctx, asked(f"ln -s {outside} link; ln -s {outside}/data file; chmod 500 ."))
    assert (outside / "data").read_text() == "kept"
