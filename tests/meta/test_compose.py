"""docker-compose.yml and the Dockerfile, as far as they can be judged without a container engine."""

import json
import re
from importlib.resources import files as resources
from pathlib import PurePosixPath
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
WITHOUT_A_SHELL = {"collector", "jaeger"}
"""Their images hold one program that can't check itself."""


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


def test_the_compose_file_runs_the_kernel_its_two_servers_and_what_shows_what_it_does(compose):
    services = compose["services"]
    assert {"kernel", "first-start", "postgres", "valkey"} <= set(services)
    assert {"collector", "jaeger", "prometheus", "grafana"} <= set(services)
    for name, service in services.items():
        image = service["image"]
        assert re.search(r":(?!latest)[\w.\-]+$", image), f"{name} has no version"
        assert "build" in service or name in WITHOUT_A_SHELL or "healthcheck" in service, f"{name} has no health check"


def test_every_volume_is_kept_and_every_mounted_file_is_there(compose):
    for name, service in compose["services"].items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            there = (ROOT / source).exists() if source.startswith("./") else source in compose["volumes"]
            assert there, f"{name} keeps its data in {mount}"


def test_the_kernel_starts_after_its_certificates_and_is_called_over_tls_by_default(compose):
    kernel, first = compose["services"]["kernel"], compose["services"]["first-start"]
    assert kernel["depends_on"]["first-start"] == {"condition": "service_completed_successfully"}
    assert set(first["volumes"]) <= set(kernel["volumes"])
    folder = first["command"][0]
    environment = kernel["environment"]
    files = {environment[f"WINDLASS_{name}"] for name in ("SERVER_TLS_CERT", "SERVER_TLS_KEY", "TLS_CA", "TOKEN_FILE")}
    script = (ROOT / "deploy" / "first-start.sh").read_text()
    assert {str(PurePosixPath(file).parent) for file in files} == {folder}
    assert all(PurePosixPath(file).name in script for file in files)
    assert environment["WINDLASS_ADDRESS"].split(":")[0] in first["command"]


def test_what_one_service_is_told_of_another_is_true(compose):
    services, yaml = compose["services"], YAML(typ="safe", pure=True)
    told = {services["kernel"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://")}
    [scrape] = yaml.load(ROOT / "deploy" / "prometheus.yml")["scrape_configs"]
    told |= set(scrape["static_configs"][0]["targets"])
    collector = yaml.load(ROOT / "deploy" / "collector.yml")
    told.add(collector["exporters"]["otlp/jaeger"]["endpoint"])
    sources = yaml.load(ROOT / "deploy/grafana/provisioning/datasources/windlass.yml")["datasources"]
    told |= {source["url"].removeprefix("http://") for source in sources}
    assert {address.split(":")[0] for address in told} <= set(services)
    assert services["kernel"]["environment"]["WINDLASS_SERVER_PROBES"].split(":")[1] == "9464"
    assert {"kernel:9464", "collector:4317", "jaeger:4317", "prometheus:9090"} <= told
    pipeline = collector["service"]["pipelines"]["traces"]
    parts = ("receivers", "processors", "exporters")
    assert all(set(pipeline[part]) <= set(collector[part]) for part in parts)


def test_every_password_must_be_given_and_every_port_is_this_machines_own(compose):
    secrets = {
        f"{name}.{key}": value
        for name, service in compose["services"].items()
        for key, value in service.get("environment", {}).items()
        if SECRET.search(key) and not key.endswith("_FILE")
    }
    assert {"kernel.PGPASSWORD", "postgres.POSTGRES_PASSWORD", "valkey.WINDLASS_VALKEY_PASSWORD"} <= set(secrets)
    assert {key: value for key, value in secrets.items() if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)} == {}
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


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


def test_what_the_image_copies_is_not_kept_from_its_build(dockerfile):
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [words.split() for instruction, words in dockerfile if instruction == "COPY"]
    sources = {word for words in copied for word in words[:-1] if not word.startswith("--")}
    assert {source for source in sources if source.removeprefix("./").split("/")[0] not in allowed} == set()
    assert sources >= {"deploy/first-start.sh"}


def _supported() -> SpecifierSet:
    return SpecifierSet(load_toml(ROOT / "pyproject.toml")["project"]["requires-python"])
