"""The committed stubs are what the .proto files generate."""

import subprocess
import sys

from tests.meta.house import ROOT


def test_the_committed_stubs_are_what_the_protos_generate():
    generator = ROOT / "proto" / "generate.py"
    assert generator.exists(), "proto/generate.py is missing"
    check = subprocess.run([sys.executable, generator, "--check"], cwd=ROOT, capture_output=True, text=True)
    assert check.returncode == 0, f"run `make proto`\n{check.stdout}{check.stderr}"
