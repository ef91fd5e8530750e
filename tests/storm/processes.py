"""The processes of the storm: demo APIs, workers, and the checks that are made on what they counted.

Everything that is started ends with the thread that started it, however that ends: workers ask the kernel for it,
servers are started through setpriv, and the demo API ends with its stdin.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "storm"
RELEASE, STEPS = ROOT / "build" / "lib", BUILD / "lib"
PATIENCE = 60.0  # only ends what would hang

Json = dict[str, Any]


@dataclass
class Checks:
    """Counts what held and says what did not."""

    passed: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, what: str, held: bool, detail: object = "") -> bool:
        with self.lock:
            if held:
                self.passed += 1
            else:
                self.failed += 1
                print(f"FAILED: {what}: {detail}", flush=True)
        return held

    def equal(self, what: str, actual: object, wanted: object, detail: object = "") -> bool:
        return self.check(what, actual == wanted, f"is {actual!r}, wanted {wanted!r} {detail}")

    def never_twice(self, what: str, counters: Json) -> None:
        """The oracle: the server counts how often each refresh token arrives."""
        self.equal(f"{what}: reuse", counters["reuse"], 0)
        most = counters["max_arrivals_of_one_refresh_token"]
        self.check(f"{what}: no refresh token arrives twice", most <= 1, f"one came {most} times")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError(f"never came true: {what}")
        time.sleep(0.01)


class Api:
    """A demo API of one's own."""

    def __init__(self, **settings: object) -> None:
        self.process = subprocess.Popen(
            [ROOT / "build/libexec/demo-api", "--parent-exits"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()
        self.place = self.url.removeprefix("http://")
        if settings:
            self.control(**settings)

    def _ask(self, method: str, path: str, body: str | None = None) -> Json:
        connection = http.client.HTTPConnection(self.place, timeout=PATIENCE)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status not in (200, 204, 408):
                raise RuntimeError(f"{path} was answered {answer.status}: {text[:200]!r}")
            return json.loads(text) if text else {}
        finally:
            connection.close()

    def control(self, **settings: object) -> None:
        self._ask("POST", "/control", json.dumps(settings))

    def counters(self) -> Json:
        answer = self._ask("GET", "/control/counters")
        counters: Json = answer.get("counters", answer)
        return counters

    def lifetimes(self) -> list[float]:
        """How long the pairs lived in seconds, each from one granted refresh to the next, by the server's clock."""
        return [ms / 1000 for ms in self._ask("GET", "/control/lifetimes")["ms"]]

    def wait(self, counter: str, at_least: int, timeout_s: float = 10.0) -> bool:
        query = f"counter={counter}&at_least={at_least}&timeout_ms={int(timeout_s * 1000)}"
        self._ask("GET", f"/control/wait?{query}")
        return int(self.counters()[counter]) >= at_least

    def __enter__(self) -> Api:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()


class Worker:
    """A process of worker.c. `options` are those of tm_new; `arguments` stand before them."""

    def __init__(
        self,
        api: Api,
        options: Json,
        *arguments: object,
        database: str | None = None,
        library: Path = RELEASE,
        step: str | None = None,
        password: str = "demo-password",
        gate: bool = False,
        environment: dict[str, str] | None = None,
        before: list[str] | None = None,
    ) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": str(library),
            "TOKENMGR_HOST": api.url,
            "TOKENMGR_USERNAME": "demo",
            "TOKENMGR_PASSWORD": password,
        }
        env |= {"TOKENMGR_FAILPOINT": step} if step else {}
        env |= {"STORM_GATE": "1"} if gate else {}
        env |= {name: value for name, value in os.environ.items() if name == "STORM_VERBOSE"}
        command = [*(before or []), str(BUILD / "worker"), *map(str, arguments or ["orders"]), json.dumps(options)]
        self.process = subprocess.Popen(
            [*command, database] if database else command,
            env=env | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.stdin: TextIO = self._pipe(self.process.stdin)
        self.stdout: TextIO = self._pipe(self.process.stdout)

    @staticmethod
    def _pipe(pipe: Any) -> TextIO:
        assert pipe is not None
        result: TextIO = pipe
        return result

    def order(self, order: str) -> None:
        """Gives an order whose answer is read later, or never."""
        self.stdin.write(order + "\n")
        self.stdin.flush()

    def answer(self) -> Json:
        line = self.stdout.readline()
        if not line:
            raise EOFError(f"the worker ended with {self.process.wait()}")
        answer: Json = json.loads(line)
        return answer

    def ask(self, order: str) -> Json:
        self.order(order)
        return self.answer()

    def open_gate(self) -> None:
        self.stdin.close()

    def result(self) -> Json:
        """What a worker that is not given orders says at its end."""
        answer = self.answer()
        self.process.wait(PATIENCE)
        return answer

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_for_stop(self) -> bool:
        """Waits until it has stopped itself; false if it came to its end or answered instead."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            state = stat.read_text().rsplit(")", 1)[1].split()[0]
            if state in "TZ":
                return state == "T"
            time.sleep(0.01)
        return False

    def wait_for_death(self) -> int | None:
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
