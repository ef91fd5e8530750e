"""What the stores cost: prints figure<TAB>engine<TAB>value<TAB>unit lines. Started by `run`.

    stores.py [--quick]

The worker and the stores are those of tests/storm, the server the demo API on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "storm"))

from processes import BUILD, RELEASE, Api, Json, Worker  # noqa: E402
from stores import STORES, Store  # noqa: E402


def emit(figure: str, value: float, unit: str) -> None:
    print(figure, "ours", f"{value:.6g}", unit, sep="\t", flush=True)


def refreshes(name: str, options: Json, database: str | None, rounds: int) -> None:
    """One refresh after another by one process, the server's part and the connection included."""
    with Api() as api, Worker(api, options, database=database) as worker:
        worker.ask("call")
        times = [worker.ask("refresh")["ms"] for _ in range(rounds)]
        emit(f"store {name}: a refresh, median", median(times), "ms")
        before = worker.ask("call")["stats"]["store_operations"]
        for _ in range(rounds):
            worker.ask("call")
        after = worker.ask("call")["stats"]["store_operations"]
        emit(f"store {name}: operations a call", (after - before) / (rounds + 1), "")


def crowd(store: Store, processes: int) -> None:
    """So many processes come to one dead token: from the start to the answer of the last one's call."""
    case, lifetime_ms = "bench-crowd", 1000
    options, database = store.options(case), store.database(case)
    with Api(access_ms=lifetime_ms, fractional_seconds=True) as api:
        with Worker(api, options, database=database) as first:
            first.ask("call")
        api.control(access_ms=600_000)
        hold, gate = os.pipe()
        answers, say = os.pipe()
        env = {
            "LD_LIBRARY_PATH": str(RELEASE),
            "TOKENMGR_HOST": api.url,
            "TOKENMGR_USERNAME": "demo",
            "TOKENMGR_PASSWORD": "demo-password",
            "STORM_GATE": "1",
        }
        command = [str(BUILD / "worker"), "1", "0", json.dumps(options), *([database] if database else [])]
        started = [subprocess.Popen(command, env=env, stdin=hold, stdout=say) for _ in range(processes)]
        os.close(say)
        time.sleep(lifetime_ms / 1000)
        began = time.monotonic()
        os.close(gate)
        with os.fdopen(answers) as lines:
            results = [json.loads(lines.readline()) for _ in range(processes)]
        took = time.monotonic() - began
        os.close(hold)
        for process in started:
            process.wait()
        if any(result["failed"] for result in results) or api.counters()["refreshes"] != 1:
            raise SystemExit(f"{store.name}: {processes} processes did not share one refresh")
    emit(f"store {store.name}: {processes} wait for one refresh", took * 1000, "ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rounds, processes = (10, 50) if quick else (100, 1000)
    refreshes("memory", {}, None, rounds)
    for start in STORES.values():
        store = start()
        try:
            refreshes(store.name, store.options("bench"), store.database("bench"), rounds)
            crowd(store, processes)
        finally:
            store.stop()


main()
