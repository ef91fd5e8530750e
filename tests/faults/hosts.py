"""Processes that run out of threads, memory or connections, and what is seen of a process from outside."""

from __future__ import annotations

import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from processes import Api, Checks, Json, Worker
from shim import Shim

MANY_BYTES = 8 << 20


def has_usual_signals(checks: Checks, what: str, worker: Worker) -> None:
    """A process that ignores what a user's would die of proves nothing."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    for name in ("SigIgn", "SigBlk", "SigCgt"):
        held = [s.name for s in (signal.SIGPIPE, signal.SIGXFSZ) if int(lines[name], 16) >> (s - 1) & 1]
        checks.equal(f"{what}: signals in {name}", held, [])


def open_files(worker: Worker) -> int:
    """The number that the next descriptor gets."""
    held = {int(path.name) for path in Path(f"/proc/{worker.process.pid}/fd").iterdir()}
    return next(number for number in range(len(held) + 1) if number not in held)


@dataclass
class Host:
    """One process, and the server that it calls. As `api.test`, the server is a name that has to be looked up."""

    checks: Checks
    what: str
    by_name: bool = False

    def __enter__(self) -> Host:
        self.api, self.shim = Api(), Shim()
        environment = dict(self.shim.environment)
        options: Json = {"timeout_ms": 10_000}
        if self.by_name:
            environment["TOKENMGR_HOST"] = self.api.url.replace("127.0.0.1", "api.test")
            options["allow_insecure_http"] = True
        self.worker = Worker(self.api, options, environment=environment)
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.process.kill()
        self.worker.process.wait()
        self.api.__exit__(None, None, None)

    def ask(self, order: str, *wanted: str) -> Json:
        answer = self.worker.ask(order)
        self.checks.check(f"{self.what}: {order}", answer["status"] in wanted, answer)
        return answer

    def end(self) -> None:
        self.worker.stdin.close()
        self.checks.equal(f"{self.what}: it ends well", self.worker.wait_for_death(), 0)
        counters = self.api.counters()
        self.checks.never_twice(self.what, counters)
        self.checks.equal(f"{self.what}: logins", counters["logins"], 1)


def without_threads(checks: Checks) -> None:
    """A name is looked up on the caller's own thread, or the error says that there is no thread."""
    with Host(checks, "a process that may start no thread", by_name=True) as host:
        with host.shim.failing("pthread_create", "EAGAIN"):
            answer = host.ask("call", "TM_OK", "TM_NETWORK")
        checks.check(f"{host.what}: it tried to", host.shim.failed > 0, host.shim.failed)
        told = answer["status"] == "TM_OK" or "thread" in answer["message"]
        checks.check(f"{host.what}: the error names it", told, answer)
        if answer["status"] == "TM_OK":
            host.ask("call", "TM_OK")
            host.ask("refresh", "TM_OK")
            host.end()


def without_memory(checks: Checks) -> None:
    """No answer is so large that the process ends of it: its body's memory is asked for fallibly, each time that it
    grows. What the library needs for itself, half a megabyte for a connection at the most, is not: without that, Rust
    ends the process."""
    with Host(checks, "a process without memory for an answer") as host:
        host.ask("call", "TM_OK")
        path, nth, answer = f"/api/v1/blob?bytes={MANY_BYTES}", 0, {"status": ""}
        while answer["status"] != "TM_OK" and nth < 100:
            nth += 1
            with host.shim.failing("malloc", "ENOMEM", nth=nth, least=1 << 20):
                answer = host.ask(f"call {path}", "TM_OK", "TM_RESPONSE_TOO_LARGE", "TM_NETWORK")
            if answer["status"] != "TM_OK":
                checks.check(f"{host.what}: the error says so", "memory" in answer["message"], answer)
            host.ask("call", "TM_OK")
        checks.check(f"{host.what}: so often", 1 < nth < 100, nth)
        host.ask("refresh", "TM_OK")
        host.end()


def with_little_memory(checks: Checks) -> None:
    """The same by a limit of the process (RLIMIT_AS), as a container or `ulimit -v` sets it."""
    with Host(checks, "a limit on memory") as host:
        host.ask("call", "TM_OK")
        status = Path(f"/proc/{host.worker.process.pid}/statm").read_text()
        size = int(status.split()[0]) * resource.getpagesize()
        before = resource.prlimit(host.worker.process.pid, resource.RLIMIT_AS)
        resource.prlimit(host.worker.process.pid, resource.RLIMIT_AS, (size + MANY_BYTES // 2, before[1]))
        answer = host.ask(f"call /api/v1/blob?bytes={MANY_BYTES}", "TM_RESPONSE_TOO_LARGE", "TM_NETWORK")
        checks.check(f"{host.what}: the error says so", "memory" in answer["message"], answer)
        host.ask("call", "TM_OK")
        resource.prlimit(host.worker.process.pid, resource.RLIMIT_AS, before)
        host.ask(f"call /api/v1/blob?bytes={MANY_BYTES}", "TM_OK")
        host.end()


def broken_pipe(checks: Checks) -> None:
    """Connections that the server ended: writing to one sends a signal that nobody ignores."""
    with Host(checks, "connections that were cut") as host:
        has_usual_signals(checks, host.what, host.worker)
        for _ in range(20):
            host.ask("call", "TM_OK")
            host.api.control(cut_connections=True)
        host.ask("call", "TM_OK")
        host.end()
