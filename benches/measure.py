"""Drives the bench programs and prints figure<TAB>engine<TAB>value<TAB>unit lines.

    measure.py latency|threads|https|counts|cold --engines FILE --core N [--quick]

Engines take turns, in short rounds or one process each, so that whatever else the machine does hits all
of them alike. Started by `run`, which also starts the server.
"""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from statistics import median

PROGRAMS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "bench")
MOST_SECONDS = 20  # for one engine in one figure
UNSUPPORTED = 77  # the exit code of an engine that can not speak the scheme

# How to count something over a whole process, and where the log says it.
COUNTERS = {
    "instructions a request": (
        "valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file={log}",
        r"Collected : (\d+)",
    ),
    "system calls a request": ("strace -f -c -U calls,name -o {log}", r"(\d+) total$"),
}


class Engine:
    """A line of the engines file: a name, and an engine.so or a command that speaks worker.c's protocol."""

    def __init__(self, name, start):
        self.name = name
        self.start = start
        self.is_library = start.endswith(".so")

    def worker(self, threads):
        if self.is_library:
            return [os.path.join(PROGRAMS, "worker"), self.start, str(threads)]
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
    env = dict(os.environ, BENCH_URL=os.environ[f"BENCH_{scheme.upper()}"], **more)
    if scheme == "https":
        env["BENCH_CA"] = os.path.join(env["BENCH_DIR"], "ca.pem")
        env["BENCH_BUNDLE"] = env["SSL_CERT_FILE"] = os.path.join(env["BENCH_DIR"], "bundle.pem")
    return env


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


def emit(figure, engine, value, unit):
    print(figure, engine.name, f"{value:.6g}", unit, sep="\t", flush=True)


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


def one_core(title, scheme, engines, core, rounds, calls):
    """Client and server share one core, so that the whole cost of a call shows."""
    results = take_turns(engines, lambda engine: pinned(core, engine.worker(1)), environment(scheme), rounds, calls)
    for engine, done in results.items():
        times = sorted(time for _, _, times in done for time in times)
        emit(f"{title}: median", engine, median(times) / 1e3, "µs")
        emit(f"{title}: p99", engine, times[len(times) * 99 // 100] / 1e3, "µs")
        emit(f"{title}: CPU", engine, median(cpu for _, cpu, _ in done) / calls / 1e3, "µs")


def latency(engines, core, quick):
    one_core("http, one core", "http", engines, core, rounds=5 if quick else 200, calls=100 if quick else 200)


def https(engines, core, quick):
    one_core("https, one core", "https", engines, core, rounds=5 if quick else 200, calls=100 if quick else 200)


def threads(engines, core, quick):
    engines = [engine for engine in engines if engine.is_library]
    rounds, calls = (3, 400) if quick else (40, 4000)
    results = take_turns(engines, lambda engine: engine.worker(8), environment("http"), rounds, calls)
    for engine, done in results.items():
        emit("8 threads: requests/s", engine, calls / (median(wall for wall, _, _ in done) / 1e9), "/s")
        emit("8 threads: CPU", engine, median(cpu for _, cpu, _ in done) / calls / 1e3, "µs")


def cold(engines, core, quick):
    engines = [engine for engine in engines if engine.is_library]
    cases = {
        "cold, http": environment("http"),
        "cold, http, login": environment("http", BENCH_LOGIN="1"),
        "cold, https": environment("https"),
    }
    for title, env in cases.items():
        lives = defaultdict(list)
        for _ in range(3 if quick else 60):
            for engine in engines:
                done = subprocess.run(pinned(core, engine.cold(1)), env=env, stdout=subprocess.PIPE)
                if done.returncode == 0:
                    lives[engine].append(int(done.stdout))
                elif done.returncode != UNSUPPORTED:
                    raise SystemExit(f"{title}: {engine.name} failed")
        for engine, times in lives.items():
            emit(f"{title}: median", engine, median(times) / 1e6, "ms")
            emit(f"{title}: best", engine, min(times) / 1e6, "ms")


def count(tool, pattern, command, env):
    with tempfile.NamedTemporaryFile("r", dir=env["BENCH_DIR"]) as log:
        done = subprocess.run([*tool.format(log=log.name).split(), *command], env=env, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SystemExit(f"{shlex.join(done.args)} failed")
        return int(re.search(pattern, log.read(), re.MULTILINE)[1])


def counts(engines, core, quick):
    """The difference of a long and a short run, so that start and end drop out. The machine's load shifts no
    count, so two run at once."""
    engines = [engine for engine in engines if engine.is_library]
    if quick:
        engines = engines[:1]
    few, many = (20, 60) if quick else (500, 1500)
    env = environment("http")

    for title, (tool, pattern) in COUNTERS.items():
        if not shutil.which(tool.split()[0]):
            print(f"{title}: n/a, there is no {tool.split()[0]}", file=sys.stderr)
            continue

        def per_call(engine):
            short, long = (count(tool, pattern, engine.cold(calls), env) for calls in (few, many))
            return (long - short) / (many - few)

        with ThreadPoolExecutor(2) as pool:
            for engine, value in zip(engines, pool.map(per_call, engines)):
                emit(title, engine, value, "")


def main():
    groups = {group.__name__: group for group in (latency, threads, https, counts, cold)}
    parser = argparse.ArgumentParser()
    parser.add_argument("group", choices=groups)
    parser.add_argument("--engines", required=True)
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()

    # So that the workers end with this process: `with` blocks run on an exception only.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with open(arguments.engines) as lines:
        engines = [Engine(*line.rstrip("\n").split("\t")) for line in lines]
    groups[arguments.group](engines, arguments.core, arguments.quick)


main()
