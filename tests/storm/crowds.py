"""Many processes at once: the storm itself, and two hundred that start together."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from processes import Api, Checks, Json, Worker
from stores import Store

LIFETIME_S = 2.0
LEASE_MS = 5000
SLACK_MS = 4000  # of a busy machine


def merged(results: list[Json]) -> Json:
    """The sum of what the workers counted."""
    failed: dict[str, int] = {}
    for result in results:
        for name, count in result["failed"].items():
            failed[name] = failed.get(name, 0) + count
    waits = sorted(wait for result in results for wait in result["waits_ms"])
    return {
        "calls": sum(result["calls"] for result in results),
        "failed": failed,
        "errors": {result["last_error"] for result in results} - {""},
        "longest_ms": max(result["longest_ms"] for result in results),
        "waits_ms": waits,
        "adoptions": sum(result["stats"]["adoptions"] for result in results),
    }


def percentile(values: list[int], percent: int) -> str:
    return str(values[min(len(values) - 1, len(values) * percent // 100)]) if values else "-"


def judge_windows(checks: Checks, what: str, lifetimes: list[float], counters: Json, lifetime_s: float) -> None:
    """A pair's window opens with half of its lifetime and closes with the lifetime; the next pair begins one of its
    own. Two refreshes in one window come closer together than half a lifetime; a window without one leaves a longer
    gap than a lifetime. A fourth of one is allowed for what a pair takes to its readers, and a lease for the machine's
    delays."""
    checks.equal(f"{what}: logins", counters["logins"], 1)
    checks.equal(f"{what}: refresh requests are refreshes", counters["refresh_arrivals"], counters["refreshes"])
    checks.check(f"{what}: windows passed", len(lifetimes) >= 1, lifetimes)
    early = lifetime_s / 4
    checks.check(f"{what}: no window has two refreshes", all(lived > early for lived in lifetimes), lifetimes)
    late = lifetime_s + LEASE_MS / 1000
    checks.check(f"{what}: no window is without a refresh", all(lived < late for lived in lifetimes), lifetimes)


def storm(checks: Checks, store: Store, seconds: float, processes: int = 8, threads: int = 8) -> list[str]:
    """Eight processes with eight threads each call as fast as they can. Gives a row for the table."""
    case = "storm"
    with Api(access_ms=int(LIFETIME_S * 1000), fractional_seconds=True) as api, ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(api, store.options(case), threads, seconds, database=store.database(case), gate=True)
            )
            for _ in range(processes)
        ]
        for worker in workers:
            worker.open_gate()
        total = merged([worker.result() for worker in workers])
        lifetimes = api.lifetimes()
        counters = api.counters()

    what = f"storm over {store.name}"
    checks.equal(f"{what}: failed calls", total["failed"], {}, total["errors"])
    checks.equal(f"{what}: calls that the server refused", counters.get("api_401", 0), 0)
    checks.never_twice(what, counters)
    judge_windows(checks, what, lifetimes, counters, LIFETIME_S)
    waits = total["waits_ms"]
    return [
        store.name,
        f"{total['calls'] / seconds:,.0f}",
        f"{total['longest_ms']:.0f}",
        str(len(lifetimes) + 1),
        str(counters["refreshes"]),
        str(counters["logins"]),
        str(counters["reuse"]),
        str(sum(total["failed"].values())),
        str(len(waits)),
        percentile(waits, 50),
        percentile(waits, 99),
        str(total["adoptions"]),
    ]


HEADINGS = ["store", "calls/s", "longest ms", "windows", "refreshes", "logins", "reuse", "failed"]
HEADINGS += ["waits", "p50 ms", "p99 ms", "adoptions"]


def crowd(checks: Checks, store: Store, processes: int = 200) -> None:
    """Two hundred processes start at once with an empty store: one logs in."""
    case, what = "crowd", f"{processes} processes at once over {store.name}"
    with Api() as api, ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(api, store.options(case), 1, 0, database=store.database(case), gate=True))
            for _ in range(processes)
        ]
        for worker in workers:
            worker.open_gate()
        total = merged([worker.result() for worker in workers])
        counters = api.counters()
    checks.equal(f"{what}: failed calls", total["failed"], {}, total["errors"])
    checks.equal(f"{what}: logins", counters["login_arrivals"], 1)
    checks.equal(f"{what}: calls", counters["api_200"], processes)


def wrong_password(checks: Checks, store: Store, processes: int = 200) -> None:
    """The same with a wrong password, for ten seconds; one that has the right one works at once."""
    case, what = "wrong", f"{processes} wrong passwords over {store.name}"
    pause = {"STORM_PAUSE_MS": "500"}
    with Api() as api, ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(
                    api,
                    store.options(case),
                    1,
                    9,
                    database=store.database(case),
                    password="wrong",
                    environment=pause,
                    gate=True,
                )
            )
            for _ in range(processes)
        ]
        for worker in workers:
            worker.open_gate()
        began = time.monotonic()
        time.sleep(7.5)  # the third refusal, at 6 s, holds until 14 s
        before = api.counters()["logins_refused"]
        early = time.monotonic() - began < 10
        with Worker(api, store.options(case), database=store.database(case)) as right:
            answer = right.ask("call")
        total = merged([worker.result() for worker in workers])
        counters = api.counters()
    checks.check(f"{what}: at most 3 refused logins in 10 s", not early or 1 <= before <= 3, before)
    failures = set(total["failed"])
    checks.check(
        f"{what}: the others are suspended",
        failures <= {"TM_LOGIN_SUSPENDED", "TM_LOGIN_REJECTED"} and "TM_LOGIN_SUSPENDED" in failures,
        (total["failed"], total["errors"]),
    )
    rejected = total["failed"].get("TM_LOGIN_REJECTED", 0)
    checks.check(f"{what}: a refusal is told once", rejected <= counters["logins_refused"], total["failed"])
    checks.equal(f"{what}: the right one works", answer["status"], "TM_OK", answer["message"])
    checks.check(f"{what}: at once", answer["ms"] < LEASE_MS, answer["ms"])
    checks.equal(f"{what}: logins", counters["logins"], 1)


def machine(clock: str) -> dict[str, str]:
    """The environment of a process on a machine with this clock. The one that no one can set goes on as it is."""
    preload = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    unmoved = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": str(preload), "FAKETIME": clock, **unmoved} if clock else {}


CLOCKS = ["", "-5m", "+5m"]


def clocks(checks: Checks, store: Store, seconds: float) -> None:
    """Three machines share a store that has a clock of its own, and theirs differ by minutes. Where that clock shows
    whole seconds only, they may be apart by one, and a token has to live long enough for that not to matter."""
    case, what = "clocks", f"clocks that differ over {store.name}"
    lifetime_s = LIFETIME_S + 4 * store.clock_step_s
    seconds = max(seconds, 2 * lifetime_s)
    with Api(access_ms=int(lifetime_s * 1000), fractional_seconds=True) as api, ExitStack() as stack:
        workers = []
        for clock in CLOCKS:
            env = {**machine(clock), "STORM_PAUSE_MS": "5"}
            worker = Worker(api, store.options(case), 2, seconds, database=store.database(case), environment=env)
            workers.append(stack.enter_context(worker))
        total = merged([worker.result() for worker in workers])
        lifetimes = api.lifetimes()
        counters = api.counters()
    checks.equal(f"{what}: failed calls", total["failed"], {}, total["errors"])
    checks.never_twice(what, counters)
    judge_windows(checks, what, lifetimes, counters, lifetime_s)


def clocks_of_machines(checks: Checks, store: Store, rounds: int) -> None:
    """The same over a store that goes by the machines' clocks: there a claim is not respected and a token's age is
    wrong by minutes, but none is sent twice and, while tokens live for longer than that, no call fails."""
    case, what = "clocks", f"clocks that differ over {store.name}"
    with Api() as api, ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(api, store.options(case), database=store.database(case), environment=machine(clock))
            )
            for clock in CLOCKS
        ]
        for turn in range(rounds):
            order = "refresh" if turn % 3 else "call"
            for worker in workers:
                worker.order(order)
            answers = [worker.answer() for worker in workers]
            checks.equal(f"{what}: {order}", [answer["status"] for answer in answers], ["TM_OK"] * 3, answers)
        counters = api.counters()
    checks.never_twice(what, counters)
