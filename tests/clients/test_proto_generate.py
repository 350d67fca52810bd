"""generate.py holds the protocol to its rules; each check is seen to fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PROTO, tmp_path / "proto", ignore=ignore))


def generate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "generate.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_stubs_edited_by_hand_are_noticed_and_mended(copy: Path):
    assert generate(copy, "--check").returncode == 0
    edit(copy / "windlass_proto" / "v1" / "task_pb2.pyi", "priority", "urgency")
    checked = generate(copy, "--check")
    assert checked.returncode == 1
    assert checked.stderr.startswith("proto: not what the .proto files generate: task_pb2.pyi; run make proto")
    assert generate(copy).returncode == 0
    assert generate(copy, "--check").returncode == 0


def test_a_stub_without_a_proto_is_noticed(copy: Path):
    (copy / "windlass_proto" / "v1" / "old_pb2.py").write_text("")
    assert "old_pb2.py" in generate(copy, "--check").stderr


def test_a_breaking_change_is_refused_until_it_is_accepted(copy: Path):
    edit(copy / "windlass" / "v1" / "event.proto", "string stage = 5;", "int32 stage = 5;")
    refused = generate(copy)
    assert refused.returncode == 1
    assert "this change breaks existing callers" in refused.stderr
    assert 'changed type from "string" to "int32"' in refused.stderr
    assert generate(copy, "--accept").returncode == 0
    assert generate(copy, "--check").returncode == 0


def test_an_addition_breaks_nobody(copy: Path):
    edit(copy / "windlass" / "v1" / "event.proto", "string stage = 5;", "string stage = 5;\n    string note = 9;")
    assert generate(copy).returncode == 0


def test_a_name_against_the_rules_is_refused(copy: Path):
    edit(copy / "windlass" / "v1" / "event.proto", "string stage = 5;", "string stage = 5;\n    string aNote = 9;")
    refused = generate(copy)
    assert refused.returncode == 1
    assert "break the rules of buf.yaml" in refused.stderr
    assert "aNote" in refused.stderr


def test_a_proto_that_is_no_proto_is_told_by_protoc(copy: Path):
    edit(copy / "windlass" / "v1" / "event.proto", "string stage = 5;", "string stage")
    assert "protoc refuses the .proto files" in generate(copy).stderr
