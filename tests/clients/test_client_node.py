"""A client in another language: what gRPC's own Node packages do with the protos alone, against a real server."""

import asyncio
import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import google.rpc
import pytest

from tests.control.calling import TOKEN, Calling

HERE = Path(__file__).parent / "node"
PROTOS = (Path(__file__).parents[2] / "proto", Path(next(iter(google.rpc.__path__))).parents[1])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vendored packages, unpacked where `require` finds them."""
    folder = tmp_path_factory.mktemp("node_modules")
    for line in (HERE / "vendor/SHA512SUMS").read_text().splitlines():
        expected, name = line.split()
        archive = HERE / "vendor" / name
        assert hashlib.sha512(archive.read_bytes()).hexdigest() == expected, f"{name} is not what was published"
        with tarfile.open(archive) as files:
            files.extractall(folder / ".unpacked", filter="data")
        unpacked = next((folder / ".unpacked").iterdir())
        target = folder / json.loads((unpacked / "package.json").read_text())["name"]
        target.parent.mkdir(exist_ok=True)
        unpacked.rename(target)
    return folder


async def run(packages: Path, *arguments: str) -> Any:
    """What the script printed."""
    process = await asyncio.create_subprocess_exec(
        "node",
        HERE / "client.js",
        *arguments,
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(packages)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complained.decode()
    return json.loads(said)


@pytest.mark.needs(program="node", package="nodejs")
async def test_a_client_in_node_enqueues_follows_interrupts_and_understands_refusals(kernel: Calling, packages: Path):
    told = await run(packages, kernel.address, TOKEN, *map(str, PROTOS))
    assert (told["receipts"], told["same"]) == (["RECEIPT_CREATED", "RECEIPT_REPEATED"], True)
    assert (told["state"], told["result"], told["steps"]) == ("STATE_COMPLETED", {"one": 1, "two": 2}, ["one", "two"])
    assert told["sequences"] == sorted(set(told["sequences"]))
    assert told["rest"] == told["sequences"][2:]
    assert told["interrupted"] in ("STATE_CANCELLING", "STATE_CANCELED")
    assert told["end"][0] == "STATE_CANCELED"
    assert "asked from node" in told["end"][1]
    assert told["card"][0] == "STATE_CANCELED"
    assert told["card"][2] == ["OUTCOME_CANCELED"]
    over, missing, unknown = told["refusals"]
    assert (over["code"], over["reason"]) == ("FAILED_PRECONDITION", "TASK_OVER")
    assert (missing["code"], missing["reason"]) == ("NOT_FOUND", "TASK_NOT_FOUND")
    assert (unknown["code"], unknown["reason"]) == ("UNAUTHENTICATED", "TOKEN_MISSING_OR_WRONG")


def test_the_packages_of_the_node_client_are_those_it_names():
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    names = {f"{name.lstrip('@').replace('/', '-')}-{version}.tgz" for name, version in wanted.items()}
    listed = {line.split()[1] for line in (HERE / "vendor/SHA512SUMS").read_text().splitlines()}
    assert names <= listed
    assert listed == {path.name for path in (HERE / "vendor").glob("*.tgz")}
