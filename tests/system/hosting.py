"""A server and agents, as real processes, with a channel to the server."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
from windlass_proto.v1 import (
    access_pb2,
    access_service_pb2,
    access_service_pb2_grpc,
    agent_pb2,
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    history_service_pb2,
    history_service_pb2_grpc,
    task_pb2,
    tasks_service_pb2,
    tasks_service_pb2_grpc,
)

from tests.system.serving import WINDLASS, Home, home_in, wait_for

SHORT = {"WINDLASS_NODE_LEASE": "2.4", "WINDLASS_NODE_RENEW": "0.6", "WINDLASS_NODE_DRAIN_GRACE": "1"}
ENDED = (task_pb2.Task.STATE_COMPLETED, task_pb2.Task.STATE_FAILED, task_pb2.Task.STATE_CANCELED)
SECONDS = 20


class Site:
    """`agent` starts one with a token of its own; `address` is where the server listens."""

    def __init__(self, home: Home, folder: Path, port: int) -> None:
        self.home = home
        self.folder = folder
        self.address = f"127.0.0.1:{port}"
        self._port = port
        self.logs: dict[subprocess.Popen[str], Path] = {}
        self.server = self.serve()

    def serve(self) -> subprocess.Popen[str]:
        self.server = self.home.serve("--listen", self.address)
        signing = (("authorization", f"Bearer {(self.home.path / 'token').read_text().strip()}"),)
        channel = grpc.intercept_channel(grpc.insecure_channel(self.address), _Sign(signing))
        self.tasks = tasks_service_pb2_grpc.TasksStub(channel)
        self.cluster = cluster_service_pb2_grpc.ClusterStub(channel)
        self.history = history_service_pb2_grpc.HistoryStub(channel)
        self.access = access_service_pb2_grpc.AccessStub(channel)
        return self.server

    def token(self, subject: str, role: int = access_pb2.ROLE_AGENT) -> Path:
        """The file with a new token."""
        file = self.folder / f"{subject}.token"
        asked = access_service_pb2.CreateTokenRequest(subject=subject, role=role)  # type: ignore[arg-type]
        file.write_text(self.access.CreateToken(asked, timeout=SECONDS).secret)
        return file

    def agent(self, id_: str, *arguments: str, server: str = "", token: Path | None = None) -> subprocess.Popen[str]:
        """An agent that has just been started."""
        file = token or self.token(id_)
        log = self.folder / f"{id_}-{len(self.logs)}.log"
        place = ["--id", id_, "--server", server or self.address, "--token-file", str(file)]
        with log.open("w") as out:
            process = subprocess.Popen(
                [WINDLASS, "agent", *place, *arguments], env=self.home.environ, stdout=out, stderr=out, text=True
            )
        self.home._processes.append(process)
        self.logs[process] = log
        return process

    def ready(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """It has been taken in."""
        wait_for(lambda: process.poll() is not None or " is ready" in self.said(process), "the agent to be ready", 30)
        assert process.poll() is None, self.said(process)
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        return self.logs[process].read_text()

    def enqueue(self, script: str, pool: str = "agent:web-01", kind: str = "ExecuteScript", **more: Any) -> str:
        payload = task_pb2.Payload(data=json.dumps({"script": script}).encode())
        task = tasks_service_pb2.NewTask(kind=kind, payload=payload, pool=pool, **more)
        asked = tasks_service_pb2.EnqueueRequest(task=task)
        return self.tasks.Enqueue(asked, timeout=SECONDS).task

    def task(self, name: str) -> task_pb2.Task:
        return self.tasks.Get(tasks_service_pb2.GetTaskRequest(name=name), timeout=SECONDS)

    def at(self, name: str, *states: int, seconds: float = SECONDS) -> task_pb2.Task:
        found: list[task_pb2.Task] = []

        def look() -> bool:
            found[:] = [self.task(name)]
            return found[0].state in states

        wait_for(look, f"{name} to be at {states}", seconds)
        return found[0]

    def ended(self, name: str, seconds: float = SECONDS) -> task_pb2.Task:
        return self.at(name, *ENDED, seconds=seconds)

    def running(self, name: str, seconds: float = SECONDS) -> task_pb2.Task:
        return self.at(name, task_pb2.Task.STATE_RUNNING, seconds=seconds)

    def explained(self, name: str) -> list[str]:
        asked = tasks_service_pb2.ExplainRequest(name=name)
        return [gate.why for gate in self.tasks.Explain(asked, timeout=SECONDS).gates]

    def agents(self) -> dict[str, agent_pb2.Agent]:
        found = self.cluster.ListAgents(cluster_service_pb2.ListAgentsRequest(), timeout=SECONDS).agents
        return {one.name.removeprefix("agents/"): one for one in found}

    def output(self, name: str) -> str:
        asked = history_service_pb2.ReadOutputRequest(parent=name.replace("tasks/", "cards/"), page_size=1000)
        chunks = self.history.ReadOutput(asked, timeout=SECONDS).chunks
        return b"".join(chunk.output.data for chunk in chunks).decode()


class _Sign(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def _signed(self, details: Any) -> Any:
        return _Details(details.method, details.timeout, self._metadata, None, None, None)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._signed(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._signed(details), request)


class _Details(grpc.ClientCallDetails):
    def __init__(self, *given: Any) -> None:
        self.method, self.timeout, self.metadata, self.credentials, self.wait_for_ready, self.compression = given


@contextmanager
def site_in(folder: Path, dsn: str, **environ: str) -> Iterator[Site]:
    """A server with short leases; all of its processes end with the block."""
    with home_in(folder, WINDLASS_STORE_DSN=dsn, **(SHORT | environ)) as home:
        yield Site(home, folder, free_port())


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Wire:
    """A TCP proxy whose links can be cut, or go silent without a word."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._links: list[socket.socket] = []
        self.flowing = threading.Event()
        self.flowing.set()
        self.open = True
        self.links = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if not self.open:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(self._target)
                except OSError:
                    near.close()
                    continue
                self.links += 1
                self._links += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.flowing.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break every link there is."""
        links, self._links = self._links, []
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def close(self) -> None:
        self.flowing.set()
        self._server.close()
        self.cut()
