"""Drives the bench programs and prints figure<TAB>engine<TAB>value<TAB>unit lines.

    measure.py GROUP --engines FILE --core N [--quick]

Engines take turns, in short rounds or one process each, so that whatever else the machine does hits all
of them alike. Started by `run`, which also starts the server.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import counting
from workers import PROGRAMS, UNSUPPORTED, Engine, emit, environment, pinned, take_turns

MEGABYTES = 64  # of c/engine.h's BLOB_BYTES


def one_core(title, scheme, engines, core, rounds, calls):
    """Client and server share one core, so that the whole cost of a call shows."""
    results = take_turns(engines, lambda engine: pinned(core, engine.worker(1)), environment(scheme), rounds, calls)
    for engine, done in results.items():
        times = sorted(time for _, _, times in done for time in times)
        emit(f"{title}: median", engine.name, median(times) / 1e3, "µs")
        emit(f"{title}: p99", engine.name, times[len(times) * 99 // 100] / 1e3, "µs")
        emit(f"{title}: CPU", engine.name, median(cpu for _, cpu, _ in done) / calls / 1e3, "µs")


def latency(engines, core, quick):
    one_core("http, one core", "http", engines, core, rounds=5 if quick else 200, calls=100 if quick else 200)


def https(engines, core, quick):
    one_core("https, one core", "https", engines, core, rounds=5 if quick else 200, calls=100 if quick else 200)


def libraries(engines):
    return [engine for engine in engines if engine.is_library]


def threads(engines, core, quick):
    for number in (1, 2, 4, 8):
        rounds, calls = (3, 400) if quick else (40 if number == 8 else 15, 4000)
        results = take_turns(
            libraries(engines), lambda engine, number=number: engine.worker(number), environment("http"), rounds, calls
        )
        title = f"{number} thread{'s' if number > 1 else ''}"
        for engine, done in results.items():
            emit(f"{title}: requests/s", engine.name, calls / (median(wall for wall, _, _ in done) / 1e9), "/s")
            emit(f"{title}: CPU", engine.name, median(cpu for _, cpu, _ in done) / calls / 1e3, "µs")


def transfers(engines, core, quick):
    """Large bodies. "In memory": the body is whole when the call returns, or before it; "streamed": in pieces."""
    cases = {
        "download, in memory": ("download", environment("http")),
        "download, streamed": ("download_streamed", environment("http")),
        "download, streamed, https": ("download_streamed", environment("https")),
        "upload, from memory": ("upload", environment("sink")),
        "upload, streamed": ("upload_streamed", environment("sink")),
    }
    for title, (call, env) in cases.items():
        results = take_turns(
            libraries(engines), lambda engine, call=call: engine.worker(1, call), env, rounds=3 if quick else 40, calls=1
        )
        for engine, done in results.items():
            seconds = median(wall for wall, _, _ in done) / 1e9
            emit(f"{title}: {MEGABYTES} MB", engine.name, MEGABYTES / seconds, "MB/s")
            emit(f"{title}: CPU", engine.name, median(cpu for _, cpu, _ in done) / MEGABYTES / 1e3, "µs/MB")


def cold(engines, core, quick):
    cases = {
        "cold, http": environment("http"),
        "cold, http, login": environment("http", BENCH_LOGIN="1"),
        "cold, https": environment("https"),
    }
    for title, env in cases.items():
        lives = defaultdict(list)
        for _ in range(3 if quick else 60):
            for engine in libraries(engines):
                done = subprocess.run(pinned(core, engine.cold(1)), env=env, stdout=subprocess.PIPE)
                if done.returncode == 0:
                    lives[engine].append(int(done.stdout))
                elif done.returncode != UNSUPPORTED:
                    raise SystemExit(f"{title}: {engine.name} failed")
        for engine, times in lives.items():
            emit(f"{title}: median", engine.name, median(times) / 1e6, "ms")
            emit(f"{title}: best", engine.name, min(times) / 1e6, "ms")


def counts(engines, core, quick):
    """No load of the machine shifts a count, so two run at once."""
    engines = libraries(engines)[: 1 if quick else None]
    few, many = (20, 60) if quick else (500, 1500)
    for scheme in ("http", "https"):
        env = environment(scheme)
        for title in counting.COUNTERS:
            if program := counting.missing(title):
                print(f"{title}: n/a, there is no {program}", file=sys.stderr)
                continue
            with ThreadPoolExecutor(2) as pool:
                values = pool.map(lambda engine: counting.per_call(title, engine, env, few, many), engines)  # noqa: B023
                for engine, value in zip(engines, values):
                    if value is not None:
                        emit(f"{scheme}: {title}", engine.name, value, "")


def resources(engines, core, quick):
    """What a client holds: descriptors, and the memory of one manager among many."""
    for scheme in ("http", "https"):
        for engine in libraries(engines):
            if held := counting.descriptors(engine, environment(scheme)):
                idle, kept = held
                if scheme == "http":
                    emit("descriptors of an idle client", engine.name, idle, "")
                emit(f"{scheme}: descriptors a connection", engine.name, kept, "")

    count = 500 if quick else 10_000
    done = subprocess.run(
        [os.path.join(PROGRAMS, "managers"), str(count)], env=environment("http"), stdout=subprocess.PIPE, check=True
    )
    made, filled = map(float, done.stdout.split())
    emit(f"{count:,} managers: memory of one", engines[0].name, made, "KB")
    emit(f"{count:,} managers: of one with its tokens", engines[0].name, filled, "KB")


def main():
    groups = {group.__name__: group for group in (latency, threads, https, transfers, counts, cold, resources)}
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
