"""What deploy/ promises, held against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.probing import page
from tests.system.serving import WINDLASS, Home, home_in, wait_for

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "windlass.json"
FIRST_START = ROOT / "deploy" / "first-start.sh"
METRIC = re.compile(r"\b((?:windlass|messaging|db_client|process)_[a-z_]+)\b(?!\s*=)")
SUFFIX = re.compile(r"_(bucket|count|sum)$")
GROUPED = re.compile(r"by \([^)]*\)")
SELECTED = re.compile(r"\{[^}]*\}")
NEEDS_OPENSSL = pytest.mark.needs(program="openssl", package="openssl")


def metrics_of(expression: str) -> set[str]:
    """The metrics that a query asks for, its labels left out."""
    return set(METRIC.findall(SELECTED.sub("", GROUPED.sub("", expression))))


def labels_of(expression: str) -> set[str]:
    """The labels that a query groups by or selects with, those that Prometheus adds left out."""
    named = [word for group in re.findall(r"by \(([^)]*)\)", expression) for word in re.findall(r"\w+", group)]
    named += re.findall(r"(\w+)=~?\"", expression)
    return set(named) - {"le", "instance", "job"}


def test_every_metric_and_label_of_the_dashboard_is_on_the_page_that_prometheus_reads(tmp_path: Path, dsn: str) -> None:
    board = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, WINDLASS_SERVER_PROBES="127.0.0.1:0") as home:
        home.serve()
        assert home.run("enqueue", "ExecuteScript", "--payload", '{"argv": ["true"]}').returncode == 0
        wait_for(lambda: "windlass_attempts_ended_total{" in page(home, "/metrics")[1], "an attempt to end")
        text = page(home, "/metrics")[1]
    there = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    wanted = {metric for expression in asked for metric in metrics_of(expression)}
    assert len(wanted) > 20
    assert {metric for metric in wanted if metric not in there and SUFFIX.sub("", metric) not in there} == set()
    labels = set(re.findall(r'[{,](\w+)="', text)) | {"windlass_lane", "windlass_priority"}
    assert {label for expression in asked for label in labels_of(expression)} - labels == set()


def test_every_metric_has_its_row_in_the_guide_and_every_row_its_metric(tmp_path: Path, dsn: str) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    rows = set(re.findall(r"^\| `((?:windlass|messaging|db_client)_\w+)` \|", guide, re.MULTILINE))
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, WINDLASS_SERVER_PROBES="127.0.0.1:0") as home:
        home.serve()
        text = page(home, "/metrics")[1]
    there = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert rows == {name for name in there if not name.startswith("process_")}


def test_a_query_is_read_for_its_metrics_and_labels() -> None:
    query = 'sum by (le, windlass_pool) (rate(windlass_a_seconds_bucket{windlass_outcome="failed"}[1m])) or process_b'
    assert metrics_of(query) == {"windlass_a_seconds_bucket", "process_b"}
    assert labels_of(query) == {"windlass_pool", "windlass_outcome"}


@NEEDS_OPENSSL
def test_the_first_start_makes_what_lets_a_client_in_over_tls_and_keeps_it(tmp_path: Path, dsn: str) -> None:
    secrets = tmp_path / "secrets"

    def first_start(home: Home) -> str:
        path = f"{Path(WINDLASS).parent}{os.pathsep}{os.environ['PATH']}"
        command = [str(FIRST_START), str(secrets), "kernel", "localhost", "127.0.0.1"]
        ran = subprocess.run(command, env=home.environ | {"PATH": path}, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    tls = {
        "WINDLASS_SERVER_TLS_CERT": str(secrets / "server.crt"),
        "WINDLASS_SERVER_TLS_KEY": str(secrets / "server.key"),
        "WINDLASS_TLS_CA": str(secrets / "ca.crt"),
        "WINDLASS_TOKEN_FILE": str(secrets / "admin.token"),
    }
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, **tls) as home:
        assert "ca.crt server.crt server.key admin.token" in first_start(home)
        made = {file.name: file.read_bytes() for file in secrets.iterdir()}
        assert all(file.stat().st_mode & 0o077 == 0 for file in secrets.iterdir()), "for their owner alone"
        first_start(home)
        assert {file.name: file.read_bytes() for file in secrets.iterdir()} == made
        # What others can reach: the token is the only way in.
        home.serve("--listen", "0.0.0.0:0")
        port = json.loads(next((home.path / "run").glob("server-*.json")).read_text())["address"].split(":")[1]
        home.environ["WINDLASS_ADDRESS"] = f"localhost:{port}"
        assert home.run("enqueue", "ExecuteScript", "--payload", '{"argv": ["true"]}').returncode == 0
        home.environ["WINDLASS_TOKEN_FILE"] = str(tmp_path / "home" / "token")
        assert home.run("enqueue", "ExecuteScript", "--payload", '{"argv": ["true"]}').returncode != 0


def openssl(*words: str) -> None:
    ran = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def certificate_at_its_end(secrets: Path) -> None:
    request = ("req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=localhost", "-days", "20")
    openssl(*request, "-keyout", str(secrets / "server.key"), "-out", str(secrets / "server.crt"))
    # Signed by itself, and trusted: nothing but its end is wrong with it.
    shutil.copy(secrets / "server.key", secrets / "ca.key")
    shutil.copy(secrets / "server.crt", secrets / "ca.crt")


def authority_of_another(secrets: Path) -> None:
    for name in ("ca.crt", "ca.key"):
        (secrets / name).unlink()


@NEEDS_OPENSSL
@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda _: None, ["localhost", "10.1.2.3", "::1"]),
        (lambda _: None, ["kernel"]),
        (certificate_at_its_end, ["localhost"]),
        (authority_of_another, ["localhost"]),
    ],
    ids=["more names", "other names", "at its end", "another authority"],
)
def test_a_certificate_that_no_longer_does_is_signed_anew(
    tmp_path: Path, change: Callable[[Path], None], names: list[str]
) -> None:
    (tmp_path / "admin.token").write_text("a token\n")
    certificate = tmp_path / "server.crt"

    def first_start(*names: str) -> bytes:
        subprocess.run([FIRST_START, tmp_path, *names], check=True, capture_output=True, timeout=60)
        return certificate.read_bytes()

    first_start("localhost")
    change(tmp_path)
    before = certificate.read_bytes()
    after = first_start(*names)
    assert after != before
    openssl("verify", "-CAfile", str(tmp_path / "ca.crt"), str(certificate))
    openssl("x509", "-checkend", "2592000", "-noout", "-in", str(certificate))
    for name in names:
        option = "-verify_hostname" if name.isalpha() else "-verify_ip"
        openssl("verify", "-CAfile", str(tmp_path / "ca.crt"), option, name, str(certificate))
    assert first_start(*names) == after, "and is left alone from then on"


@NEEDS_OPENSSL
def test_an_authority_that_clients_may_trust_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("what clients hold")
    ran = subprocess.run([FIRST_START, tmp_path, "localhost"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"first-start: {tmp_path} has a ca.crt without its ca.key: put ca.key back, or")
    assert [file.name for file in tmp_path.iterdir()] == ["ca.crt"]


def test_a_server_tells_systemd_when_it_is_ready_and_when_it_stops(tmp_path: Path, dsn: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(30)
        with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, NOTIFY_SOCKET=str(tmp_path / "notify")) as home:
            server = home.serve()
            assert supervisor.recv(100) == b"READY=1"
            server.send_signal(signal.SIGTERM)
            assert supervisor.recv(100) == b"STOPPING=1"
            assert server.wait(30) == 0
