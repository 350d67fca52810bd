"""docker-compose.yml and the Dockerfile, as far as they can be judged without a container engine."""

import json
import re
from importlib.resources import files as resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from ruamel.yaml import YAML

from tests.meta.house import ROOT, files, load_toml, parts

INSTRUCTIONS = re.compile(
    r"ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR"
)
SECRET = re.compile(r"PASS|AUTH|SECRET|TOKEN")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """Each instruction and its arguments, comments and continuations resolved."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def _schema() -> dict[str, Any]:
    """The compose specification's own schema, as check-jsonschema ships it."""
    text = resources("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema


def test_the_compose_file_fits_the_compose_specification(compose):
    assert [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(_schema()).iter_errors(compose)
    ] == []


def test_the_compose_schema_refuses_what_is_wrong():
    wrong = {"services": {"kernel": {"image": "x", "no_such_key": 1}}}
    assert list(Draft202012Validator(_schema()).iter_errors(wrong))


def test_the_compose_file_runs_the_kernel_with_its_two_servers(compose):
    services = compose["services"]
    assert set(services) == {"kernel", "postgres", "valkey"}
    for name, service in services.items():
        assert "healthcheck" in service, name
        assert ":" in service.get("image", "built:here"), f"{name} has no version"
        assert not service.get("image", "").endswith(":latest"), name
        for mount in service["volumes"]:
            assert mount.split(":")[0] in compose["volumes"], f"{name} keeps its data in {mount}"


def test_every_password_must_be_given_and_no_port_is_published(compose):
    secrets = {
        f"{name}.{key}": value
        for name, service in compose["services"].items()
        for key, value in service.get("environment", {}).items()
        if SECRET.search(key)
    }
    assert {"kernel.PGPASSWORD", "postgres.POSTGRES_PASSWORD", "valkey.WINDLASS_VALKEY_PASSWORD"} <= set(secrets)
    assert {key: value for key, value in secrets.items() if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)} == {}
    assert [name for name, service in compose["services"].items() if "ports" in service] == []


def test_the_dockerfile_is_made_of_known_instructions_and_fixed_versions(dockerfile):
    assert [instruction for instruction, _ in dockerfile if not INSTRUCTIONS.fullmatch(instruction)] == []
    assert dockerfile[0][0] == "FROM"
    for image in [arguments.split()[0] for instruction, arguments in dockerfile if instruction == "FROM"]:
        assert re.search(r":(?!latest)[\w.\-]+$", image), image


def test_the_image_runs_a_python_we_support_as_an_ordinary_user(dockerfile):
    (python,) = {match[1] for _, arguments in dockerfile if (match := re.search(r"python:([\d.]+)", arguments))}
    assert Version(python) in _supported()
    users = [arguments for instruction, arguments in dockerfile if instruction == "USER"]
    assert users
    assert users[-1] not in ("root", "0")


def test_the_image_installs_by_hash_and_copies_every_part(dockerfile):
    steps = " ".join(arguments for instruction, arguments in dockerfile if instruction == "RUN")
    assert "--require-hashes" in steps
    copied = {word for instruction, words in dockerfile if instruction == "COPY" for word in words.split()}
    assert {part.folder.relative_to(ROOT).parts[0] for part in parts()} <= copied
    assert [word for word in copied & {"requirements.lock", "pyproject.toml"} if word not in files()] == []


def _supported() -> SpecifierSet:
    return SpecifierSet(load_toml(ROOT / "pyproject.toml")["project"]["requires-python"])
