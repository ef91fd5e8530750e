"""What happens to a file: the disk full, the folder read-only, the file gone or an old one. And forks."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from crowds import LEASE_MS
from faults import ACCESS_MS, is_within
from processes import BUILD, STEPS, Api, Checks, Json, Worker, wait_until
from stores import FileStore

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


def live_on(checks: Checks, what: str, worker: Worker, seconds: float) -> Json:
    """Calls for so long; none may fail. Gives the last answer."""
    answer: Json = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = worker.ask("call")
        if answer["status"] != "TM_OK" or answer["ms"] > LEASE_MS * 2:
            checks.check(f"{what}: every call works", False, answer)
            return answer
        time.sleep(0.02)
    checks.check(f"{what}: every call works", True)
    return answer


def outage(
    checks: Checks,
    store: FileStore,
    what: str,
    trouble: Callable[[Worker], AbstractContextManager[None]],
    before: list[str],
) -> None:
    """A running process outlives some trouble with its file and recovers by itself. `before`: what it is run by."""
    folder = store.folder / what
    folder.mkdir()
    key = folder / "key"
    shutil.copy(store.folder / "key", key)
    if before:
        store.folder.chmod(0o755)
        for path in (folder, key):
            os.chown(path, NOBODY, NOBODY)
    tokens = folder / "tokens"
    options = {"store": {"type": "file", "path": str(tokens), "key": {"file": str(key)}}}
    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api, Worker(api, options, before=before) as worker:
        checks.equal(f"{what}: at first", worker.ask("call")["status"], "TM_OK")
        with trouble(worker):
            stats = live_on(checks, f"{what}, during", worker, 3 * ACCESS_MS / 1000)["stats"]
            checks.equal(f"{what}: goes on alone", stats["token_is_private"], True)
            checks.check(f"{what}: the stats tell", stats["store_failures"] > 0, stats["store_failures"])
        stats = live_on(checks, f"{what}, after", worker, 2 * ACCESS_MS / 1000)["stats"]
        checks.equal(f"{what}: comes home", stats["token_is_private"], False)
        checks.check(f"{what}: the file is there", tokens.exists())
        logins = api.counters()["logins"]
        with Worker(api, options, before=before) as another:
            is_within(checks, f"{what}, another", another.ask("call"), LEASE_MS)
        counters = api.counters()
    checks.equal(f"{what}: another takes over the token", counters["logins"], logins)
    checks.never_twice(what, counters)


def full_disk(checks: Checks, store: FileStore) -> None:
    @contextmanager
    def trouble(worker: Worker) -> Iterator[None]:
        """No file may grow: what a full disk does to a writer."""
        pid, (soft, hard) = worker.process.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))

    outage(checks, store, "disk-full", trouble, [])


def read_only_folder(checks: Checks, store: FileStore) -> None:
    @contextmanager
    def trouble(_worker: Worker) -> Iterator[None]:
        folder = store.folder / "read-only-folder"
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)

    outage(checks, store, "read-only-folder", trouble, AS_NOBODY if os.getuid() == 0 else [])


def deleted(checks: Checks, store: FileStore) -> None:
    what = "file deleted"
    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api:
        with Worker(api, store.options("deleted")) as worker:
            checks.equal(f"{what}: at first", worker.ask("call")["status"], "TM_OK")
            store.path("deleted").unlink()
            checks.equal(f"{what}: the token serves", worker.ask("call")["stats"]["logins"], 1)
            live_on(checks, what, worker, 2 * ACCESS_MS / 1000)
            checks.check(f"{what}: is there again", store.path("deleted").exists())
        counters = api.counters()
    checks.never_twice(what, counters)
    checks.equal(f"{what}: logins", counters["logins"], 2)


def swapped(checks: Checks, store: FileStore) -> None:
    """An old copy is put back: neither who knows better nor who comes anew sends its token."""
    what, path = "old file put back", store.path("swapped")
    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api:
        with Worker(api, store.options("swapped")) as worker:
            checks.equal(f"{what}: at first", worker.ask("call")["status"], "TM_OK")
            for who in ("who knows better", "who comes anew"):
                old = path.read_bytes()
                checks.equal(f"{what}: a rotation", worker.ask("refresh")["status"], "TM_OK")
                path.write_bytes(old)
                if who == "who comes anew":
                    time.sleep(ACCESS_MS / 1000)
                    with Worker(api, store.options("swapped")) as new:
                        is_within(checks, f"{what}, {who}", new.ask("call"), LEASE_MS)
                live_on(checks, f"{what}, {who}", worker, 2 * ACCESS_MS / 1000)
        counters = api.counters()
    checks.never_twice(what, counters)
    checks.equal(f"{what}: refused refreshes", counters["refreshes_refused"], 0)
    checks.equal(f"{what}: logins", counters["logins"], 3)


FILE = (full_disk, read_only_folder, deleted, swapped)


class Forks:
    """A run of forks.c."""

    def __init__(self, api: Api, store: FileStore, what: str, **environment: str) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": str(STEPS),
            "TOKENMGR_HOST": api.url,
            "TOKENMGR_USERNAME": "demo",
            "TOKENMGR_PASSWORD": "demo-password",
        }
        self.process = subprocess.Popen(
            [str(BUILD / "forks"), what, json.dumps(store.options(f"forks-{what}"))],
            env=env | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(BUILD / f"forks-{what}.log").open("w"),
            text=True,
        )

    def resume(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def ends_well(self, checks: Checks, what: str) -> None:
        log = BUILD / f"forks-{what.split(' ')[-1]}.log"
        checks.equal(what, self.process.wait(60), 0, log.read_text())


def forks(checks: Checks, store: FileStore) -> None:
    """P1: a child uses neither its parent's private refresh token nor its claim, and keeps no lock."""
    with Api() as api:
        api.control(faults={"route": "POST /auth/refresh", "delay_after_ms": 700})
        with Forks(api, store, "refresh") as run:
            api.wait("refresh_arrivals", 1)
            run.resume()
            run.ends_well(checks, "fork during a refresh")
        counters = api.counters()
        checks.never_twice("fork during a refresh", counters)
        checks.equal("fork during a refresh: logins", counters["logins"], 1)

    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api, Forks(api, store, "outage") as run:
        run.line()
        away = store.path("forks-outage.away")
        lock = store.path("forks-outage").with_name("forks-outage.tokens.lock")
        os.rename(lock, away)
        lock.mkdir()  # nobody can lock it
        time.sleep(ACCESS_MS / 1000)
        run.resume()
        run.line()
        checks.equal("fork during an outage: a private pair", api.counters()["logins"], 2)
        run.line()
        lock.rmdir()
        run.resume()
        run.ends_well(checks, "fork during an outage")
        counters = api.counters()
        checks.never_twice("fork during an outage", counters)
        checks.equal("fork during an outage: refused refreshes", counters["refreshes_refused"], 0)

    with Api(access_ms=ACCESS_MS, fractional_seconds=True) as api:
        with Worker(api, store.options("forks-lock"), library=STEPS) as worker:
            worker.ask("call")
        with Forks(api, store, "lock", TOKENMGR_FAILPOINT="file-locked:sleep:20000") as run:
            lock = store.path("forks-lock").with_name("forks-lock.tokens.lock")
            wait_until(lambda: is_locked(lock.stat().st_ino), "the lock is held")
            run.resume()
            child = int(run.line())
            run.process.wait()
            # The child lets go of it in fork(), which may still run there.
            wait_until(lambda: not is_locked(lock.stat().st_ino), "the lock is free")
            checks.check("fork in a lock: the lock is free while the child lives", is_running(child))
            with Worker(api, store.options("forks-lock"), library=STEPS) as worker:
                is_within(checks, "fork in a lock", worker.ask("call"), 0)
            os.kill(child, signal.SIGKILL)
        checks.never_twice("fork in a lock", api.counters())


def is_running(process: int) -> bool:
    """Not when it has ended, even if nobody has asked for its exit code."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def is_locked(inode: int) -> bool:
    with open("/proc/locks") as locks:
        return any(line.split()[5].endswith(f":{inode}") for line in locks if "->" not in line)
