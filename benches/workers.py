"""The processes that the figures are measured in, and the lines that they are printed as."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections import defaultdict

PROGRAMS = os.environ["BENCH_OUT"]
MOST_SECONDS = 20  # for one engine in one figure
UNSUPPORTED = 77  # the exit code of an engine that cannot do what it is asked for


class Engine:
    """A line of the engines file: a name, and an engine.so or a command that speaks worker.c's protocol."""

    def __init__(self, name, start):
        self.name = name
        self.start = start
        self.is_library = start.endswith(".so")

    def worker(self, threads, call="request"):
        if self.is_library:
            return [os.path.join(PROGRAMS, "worker"), self.start, str(threads), call]
        return shlex.split(self.start)

    def cold(self, calls):
        return [os.path.join(PROGRAMS, "cold"), self.start, str(calls)]


class Worker:
    """A process that keeps its connections warm and makes calls when told to."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def round(self, calls):
        """The round's wall time, its CPU time and the time of each call, in ns; None if unsupported."""
        try:
            self.process.stdin.write(f"{calls}\n")
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            wall, cpu, *times = map(int, answer.split())
            return wall, cpu, times
        if self.process.wait() == UNSUPPORTED:
            return None
        raise SystemExit(f"{shlex.join(self.process.args)} failed")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def environment(scheme, **more):
    """What harness.c reads. An https server's CA is known only where it is needed."""
    env = dict(os.environ, **{"BENCH_URL": os.environ[f"BENCH_{scheme.upper()}"], **more})
    if scheme == "https":
        env["BENCH_CA"] = os.path.join(env["BENCH_DIR"], "ca.pem")
        env["BENCH_BUNDLE"] = env["SSL_CERT_FILE"] = os.path.join(env["BENCH_DIR"], "bundle.pem")
    return env


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


def emit(figure, engine_name, value, unit):
    print(figure, engine_name, f"{value:.6g}", unit, sep="\t", flush=True)


def take_turns(engines, commands, env, rounds, calls):
    """All rounds of each engine that takes part. The first one, which connects, is not counted. An engine that has
    used its share of time sits out the rest: one that makes a TLS connection for every call would take an hour."""
    spent = defaultdict(int)
    results = defaultdict(list)
    with contextlib.ExitStack() as stack:
        workers = {engine: stack.enter_context(Worker(commands(engine), env)) for engine in engines}
        for engine, worker in list(workers.items()):
            if worker.round(calls) is None:
                del workers[engine]
        for turn in range(rounds):
            order = list(workers.items())
            for engine, worker in order if turn % 2 else reversed(order):
                if spent[engine] < MOST_SECONDS * 1e9:
                    results[engine].append(worker.round(calls))
                    spent[engine] += results[engine][-1][0]
    return {engine: results[engine] for engine in workers}
