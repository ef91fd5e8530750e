"""Processes that are killed or stopped in the middle of the transaction, and answers that are lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from crowds import LEASE_MS, SLACK_MS
from processes import STEPS, Api, Checks, Json, Worker
from stores import Store

Result = TypeVar("Result")

ACCESS_MS = 1200
TRANSACTION = ("read", "claiming", "claimed", "answered", "published")
# The longest wait for the lock of a store whose holder stopped, before going on without the store.
LOCK_MS = {"file": 2000, "callback": 10000}


@dataclass(frozen=True)
class Case:
    """Where a process is caught. `what` it is doing: a login into an empty store; a refresh of a dead pair; a refresh
    whose answer is lost; a login that is refused."""

    store: Store
    what: str
    step: str
    nth: int
    act: str  # kill or stop

    @property
    def name(self) -> str:
        return f"{self.what}-{self.step}-{self.nth}-{self.act}"

    def worker(self, api: Api, *, is_victim: bool = False) -> Worker:
        """A process of this case."""
        return Worker(
            api,
            self.store.options(self.name),
            database=self.store.database(self.name),
            library=STEPS,
            step=f"{self.step}:{self.act}:{self.nth}" if is_victim else None,
            password="wrong" if is_victim and self.what == "refused" else "demo-password",
        )

    def prepare(self, api: Api) -> None:
        """Brings store and server to where the transaction begins."""
        if self.what in ("refresh", "lost"):
            with self.worker(api) as worker:
                assert worker.ask("call")["status"] == "TM_OK"
            time.sleep(ACCESS_MS / 1000)
        if self.what == "lost":
            api.control(faults={"route": "POST /auth/refresh", "do": "reset", "process": True})


def cases(store: Store, act: str) -> list[Case]:
    """Every step of every transaction over a store."""
    steps = [(what, step, 1) for what in ("login", "refresh") for step in TRANSACTION]
    # The first change is the claim, the second the new pair.
    steps += [("refresh", step, nth) for step in store.own_steps for nth in (1, 2)]
    steps += [("lost", "released", 1), ("refused", "released", 1)]
    return [Case(store, what, step, nth, act) for what, step, nth in steps]


def is_within(checks: Checks, what: str, answer: Json, limit_ms: float) -> None:
    checks.equal(f"{what}: the next call works", answer["status"], "TM_OK", answer["message"])
    checks.check(f"{what}: nobody waits longer than a lease", answer["ms"] < limit_ms + SLACK_MS, answer["ms"])


def killed(checks: Checks, case: Case) -> None:
    """kill -9 at a step: the next process's call works, within a lease."""
    what = f"killed over {case.store.name} at {case.name}"
    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api:
        case.prepare(api)
        before = api.counters()
        with case.worker(api, is_victim=True) as victim:
            victim.order("call")
            checks.equal(f"{what}: the step is reached", victim.wait_for_death(), -signal.SIGKILL)
        with case.worker(api) as next_one, case.worker(api) as third:
            is_within(checks, what, next_one.ask("call"), LEASE_MS)
            is_within(checks, f"{what}, then", third.ask("call"), LEASE_MS)
        counters = api.counters()
    checks.never_twice(what, counters)
    # The killed one's, and one more where a token may have been spent.
    most = before["logins"] + (2 if case.what == "login" else 1)
    checks.check(f"{what}: logins", counters["logins"] <= most, counters["logins"])


def stopped(checks: Checks, case: Case) -> None:
    """SIGSTOP at a step for longer than a lease, then SIGCONT: others go on, and the late one adopts, or its write
    loses."""
    what = f"stopped over {case.store.name} at {case.name}"
    # Whoever stops inside a lock costs the others the wait for it, too, and then they go on by themselves.
    limit_ms = LEASE_MS + (LOCK_MS[case.store.name] if case.step in case.store.in_lock else 0)
    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api:
        case.prepare(api)
        with case.worker(api, is_victim=True) as late, case.worker(api) as next_one:
            late.order("call")
            checks.check(f"{what}: the step is reached", late.wait_for_stop())
            since = time.monotonic()
            is_within(checks, what, next_one.ask("call"), limit_ms)
            # By now the pair is a new one, and its window has come, too.
            time.sleep(max(ACCESS_MS, LEASE_MS + 500 - (time.monotonic() - since) * 1000) / 1000)
            is_within(checks, f"{what}, a lease later", next_one.ask("call"), limit_ms)
            late.signal(signal.SIGCONT)
            answer = late.answer()
            wanted = "TM_LOGIN_REJECTED" if case.what == "refused" else "TM_OK"
            checks.equal(f"{what}: the late one's call", answer["status"], wanted, answer["message"])
            if case.step in ("read", "claiming", "claimed", "answered"):
                # The pair of the next one is the newer: it is not overwritten.
                checks.check(f"{what}: the late one adopts", answer["stats"]["adoptions"] >= 1, answer)
            with case.worker(api) as third:
                is_within(checks, f"{what}, another", third.ask("call"), limit_ms)
            time.sleep(ACCESS_MS / 1000)
            for who, worker in (("the late one", late), ("the next one", next_one)):
                if case.what != "refused" or who != "the late one":
                    is_within(checks, f"{what}, {who}", worker.ask("call"), limit_ms)
        counters = api.counters()
    checks.never_twice(what, counters)
    checks.equal(f"{what}: refused refreshes", counters["refreshes_refused"], 0)


def lost(checks: Checks, store: Store) -> None:
    """The answer to a refresh is lost after the server rotated: no replay, and a call that works."""
    what, case = f"lost answer over {store.name}", Case(store, "lost", "answer", 1, "none")
    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api:
        with case.worker(api) as first, case.worker(api) as second:
            for worker in (first, second):
                checks.equal(f"{what}: at first", worker.ask("call")["status"], "TM_OK")
            time.sleep(ACCESS_MS / 1000)
            api.control(faults={"route": "POST /auth/refresh", "do": "reset", "process": True})
            is_within(checks, what, first.ask("call"), LEASE_MS)
            is_within(checks, f"{what}, another", second.ask("call"), LEASE_MS)
        counters = api.counters()
    checks.never_twice(what, counters)
    checks.equal(f"{what}: refreshes sent", counters["refresh_arrivals"], 1)
    checks.equal(f"{what}: logins", counters["logins"], 2)


def killed_at_random(checks: Checks, store: Store, kills: int, threads: int = 12) -> None:
    """kill -9 wherever it happens to be, again and again; each time the next process's call works. A claim never
    outlasts its owner's call, so a victim with a second left costs a second."""
    what = f"{kills} random kills over {store.name}"
    lease_ms = 1000

    def work(number: int, api: Api) -> int:
        case, made = f"random-{number}", 0
        database = store.database(case)
        while made < kills // threads:
            options = store.options(case, timeout_ms=lease_ms)
            with Worker(api, options, database=database, library=STEPS, step="any:kill:4") as victim:
                try:
                    for _ in range(50):
                        victim.ask("refresh")
                except (EOFError, BrokenPipeError):
                    made += int(victim.wait_for_death() == -signal.SIGKILL)
            with Worker(api, store.options(case), database=database, library=STEPS) as survivor:
                is_within(checks, what, survivor.ask("refresh" if made % 2 else "call"), lease_ms)
        return made

    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api:
        made = sum(together([partial(work, number, api) for number in range(threads)], threads))
        counters = api.counters()
    checks.check(f"{what}: so many", made >= kills // threads * threads, made)
    checks.never_twice(what, counters)
    checks.equal(f"{what}: refused refreshes", counters["refreshes_refused"], 0)


def together(work: Sequence[Callable[[], Result]], at_once: int) -> list[Result]:
    """Each runs in a thread that stays until all have ended: a process ends with the thread that started it."""
    with ThreadPoolExecutor(at_once) as pool:
        return [future.result() for future in [pool.submit(each) for each in work]]
