"""A disk that fails or is full, under two processes that share the store in a file on it."""

from __future__ import annotations

import base64
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hosts import has_usual_signals, open_files
from processes import Api, Checks, Json, Worker
from shim import Shim

KEY = base64.b64encode(b"k" * 32).decode()
# Nobody waits for a claim that its owner could have given back: a lease takes 5 s. The rest is for a busy machine.
LIMIT_MS = 3000

CALLS = {
    "flock": ("ENOLCK", "EIO", "ENOSYS"),
    "open": ("EIO", "EMFILE", "ENFILE"),
    "open_lock": ("EACCES", "ENOSPC", "EDQUOT", "EROFS"),
    "open_temporary": ("EACCES", "ENOSPC", "EDQUOT", "EROFS", "EMFILE"),
    "open_to_read": ("EACCES", "EIO"),
    "statx": ("EIO", "ESTALE"),
    "birth": ("EIO",),  # does not fail, but forgets when a file was made: to the store it is another file then
    "read": ("EIO", "ESTALE"),
    "read_little": ("EIO",),
    "read_nothing": ("EIO",),
    "write": ("EIO", "ENOSPC", "EDQUOT", "EFBIG"),
    "write_half": ("ENOSPC",),
    "fsync": ("EIO", "ENOSPC", "EDQUOT", "EINVAL"),
    "fsync_folder": ("EIO", "EINVAL"),
    "rename": ("EIO", "ENOSPC", "EDQUOT", "EROFS"),
    "rename_done": ("EIO",),  # renamed, and reported as failed
    "unlink": ("EACCES", "EIO"),
    "close": ("EIO",),
}
# With these the store can be used all the same.
HARMLESS = ("read_little", "unlink", "close")


@dataclass
class Pair:
    """Two processes over one file, and what the server counted."""

    checks: Checks
    what: str
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="faults-disk-")))
    shim: Shim | None = None
    api: Api = field(default_factory=Api)

    def __post_init__(self) -> None:
        options: Json = {"store": {"type": "file", "path": str(self.folder / "t"), "key": KEY}}
        environment = self.shim.environment if self.shim else None
        self.workers = [Worker(self.api, options, environment=environment) for _ in range(2)]

    def works(self, when: str, order: str = "call") -> None:
        """In each process it goes well, at once."""
        for number, worker in enumerate(self.workers):
            answer = worker.ask(order)
            what = f"{self.what}, {when}: {order} in process {number}"
            self.checks.equal(what, answer["status"], "TM_OK", answer["message"])
            self.checks.check(f"{what} takes no lease", answer["ms"] < LIMIT_MS, answer["ms"])

    def is_told(self, answer: Json) -> None:
        """An error is the store's, and names the file."""
        named = str(self.folder / "t") in answer["message"]
        told = answer["status"] == "TM_OK" or (answer["status"] in ("TM_STORE", "TM_LOCK_TIMEOUT") and named)
        self.checks.check(f"{self.what}: the error names the file", told, answer)

    def is_shared_again(self) -> None:
        """Both have the pair that the store has, and nothing else is left beside it."""
        self.works("afterwards", "refresh")
        self.works("afterwards")
        for number, worker in enumerate(self.workers):
            stats = worker.ask("stats")["stats"]
            self.checks.equal(f"{self.what}: the pair of {number} is private", stats["token_is_private"], False)
        left = sorted(path.name for path in self.folder.iterdir())
        self.checks.equal(f"{self.what}: files", left, ["t", "t.lock"])

    def end(self, most_logins: int) -> None:
        for number, worker in enumerate(self.workers):
            worker.stdin.close()
            self.checks.equal(f"{self.what}: process {number} ends well", worker.wait_for_death(), 0)
        counters = self.api.counters()
        self.checks.never_twice(self.what, counters)
        self.checks.check(f"{self.what}: logins", counters["logins"] <= most_logins, counters["logins"])
        self.checks.equal(f"{self.what}: refused refreshes", counters["refreshes_refused"], 0)

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
        self.api.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)


def begun(pair: Pair) -> None:
    pair.works("at first")
    for worker in pair.workers:
        has_usual_signals(pair.checks, pair.what, worker)


def fails(checks: Checks, call: str, number: str) -> None:
    """A call fails every time, for a while."""
    folder = Path(tempfile.mkdtemp(prefix="faults-disk-"))
    shim = Shim(folder)
    with Pair(checks, f"{call} fails with {number}", folder, shim) as pair:
        begun(pair)
        with shim.failing(call, number):
            pair.works("meanwhile", "refresh")
            pair.works("meanwhile")
        # Nothing is removed where nothing stands in the way.
        checks.check(f"{pair.what}: it did", shim.failed > 0 or call == "unlink", shim.failed)
        pair.is_shared_again()
        # The first, and each process's own where the store is of no use.
        pair.end(most_logins=1 if call in HARMLESS else 3)


def fails_once(checks: Checks) -> None:
    """Each call of a change by itself, the first, the second and so on, whatever it is."""
    folder = Path(tempfile.mkdtemp(prefix="faults-disk-"))
    shim = Shim(folder)
    with Pair(checks, "one call fails", folder, shim) as pair:
        begun(pair)
        with shim.failing("any", "EIO", nth=1_000_000):
            pair.workers[0].ask("refresh")
        calls = shim.met
        checks.check("a refresh does so much with the disk", 30 < calls < 300, calls)
        for nth in range(1, calls + 1):
            pair.what = f"call {nth} of a refresh fails"
            with shim.failing("any", "EIO", nth=nth):
                answer = pair.workers[nth % 2].ask("refresh")
                checks.equal(f"{pair.what}: the refresh", answer["status"], "TM_OK", answer["message"])
                checks.check(f"{pair.what}: it takes no lease", answer["ms"] < LIMIT_MS, answer["ms"])
            pair.works("then")
        pair.is_shared_again()
        # Each fault costs a login at the most.
        pair.end(most_logins=1 + calls)


def is_set(checks: Checks) -> None:
    """tm_set_tokens, a login and a logout have nobody to serve instead: they tell."""
    folder = Path(tempfile.mkdtemp(prefix="faults-disk-"))
    shim = Shim(folder)
    with Pair(checks, "a logout while the disk fails", folder, shim) as pair:
        begun(pair)
        with shim.failing("write", "ENOSPC"):
            answer = pair.workers[0].ask("logout")
        checks.equal(f"{pair.what}: status", answer["status"], "TM_STORE", answer["message"])
        checks.check(f"{pair.what}: cause", "No space left" in answer["message"], answer["message"])
        pair.is_told(answer)


@contextmanager
def small_disk(options: str) -> Iterator[Path | None]:
    """A file system of one's own, where that is allowed."""
    folder = Path(tempfile.mkdtemp(prefix="faults-mount-"))
    command = ["mount", "-t", "tmpfs", "-o", options, "faults", str(folder)]
    is_mounted = subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    try:
        yield folder if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        folder.rmdir()


def real(checks: Checks, what: str, options: str, begin: Callable[[Path], None], end: Callable[[Path], None]) -> None:
    """A real file system that is in trouble from `begin` to `end`."""
    with small_disk(options) as folder:
        if folder is None:
            print(f"skipped: {what}: no file system may be mounted here", flush=True)
            return
        with Pair(checks, what, folder) as pair:
            begun(pair)
            begin(folder)
            pair.works("meanwhile", "refresh")
            pair.works("meanwhile")
            end(folder)
            pair.is_shared_again()
            pair.end(most_logins=3)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass


def use_up_names(folder: Path) -> None:
    try:
        for number in range(1000):
            (folder / f"filler{number}").touch()
    except OSError:
        pass


def remove_fillers(folder: Path) -> None:
    for path in folder.glob("filler*"):
        path.unlink()


def remount(how: str) -> Callable[[Path], None]:
    def remounted(folder: Path) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)

    return remounted


def full(checks: Checks) -> None:
    real(checks, "a disk without space", "size=64k", fill, remove_fillers)


def without_names(checks: Checks) -> None:
    real(checks, "a disk without inodes", "nr_inodes=20", use_up_names, remove_fillers)


def read_only(checks: Checks) -> None:
    real(checks, "a disk that became read-only", "size=1m", remount("ro"), remount("rw"))


def limited(checks: Checks, what: str, kind: int, of: Callable[[Worker], int]) -> None:
    """A limit of the process is in force for a while."""
    with Pair(checks, what) as pair:
        begun(pair)
        before = resource.prlimit(pair.workers[0].process.pid, kind)
        for worker in pair.workers:
            resource.prlimit(worker.process.pid, kind, (of(worker), before[1]))
        pair.works("meanwhile")
        for worker in pair.workers:
            answer = worker.ask("refresh")
            # Without descriptors the server is out of reach, too.
            wanted = ("TM_NETWORK", "TM_STORE", "TM_OK") if kind == resource.RLIMIT_NOFILE else ("TM_OK",)
            checks.check(f"{what}: a refresh", answer["status"] in wanted, answer)
        for worker in pair.workers:
            resource.prlimit(worker.process.pid, kind, before)
        pair.is_shared_again()
        pair.end(most_logins=3)


def constant(size: int, _: Worker) -> int:
    return size


def descriptors(spare: int, worker: Worker) -> int:
    return open_files(worker) + spare


def without_room_in_files(checks: Checks) -> None:
    for size in (0, 100):
        limited(checks, f"a limit of {size} bytes a file", resource.RLIMIT_FSIZE, partial(constant, size))


def without_descriptors(checks: Checks) -> None:
    for spare in range(5):
        limited(
            checks,
            f"{spare} descriptors to spare",
            resource.RLIMIT_NOFILE,
            partial(descriptors, spare),
        )
