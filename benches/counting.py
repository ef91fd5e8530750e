"""Counts of what one warm call costs: no time, so the machine's load shifts none of them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile

from workers import PROGRAMS, UNSUPPORTED

# How to count something over a whole process, and where the log says it.
COUNTERS = {
    "instructions a request": (
        "valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file={log}",
        r"Collected : (\d+)",
    ),
    "system calls a request": ("strace -f -c -U calls,name -o {log}", r"(\d+) total$"),
    "allocations a request": (
        f"env LD_PRELOAD={shlex.quote(PROGRAMS)}/allocations.so ALLOCATIONS_LOG={{log}}",
        r"(\d+) allocations$",
    ),
}


def missing(title):
    """The program that this counter needs, if it is not installed."""
    program = COUNTERS[title][0].split()[0]
    return None if shutil.which(program) else program


def count(title, command, env):
    """Over a whole process; None where the engine cannot speak the scheme."""
    tool, pattern = COUNTERS[title]
    with tempfile.NamedTemporaryFile("r", dir=os.environ["BENCH_DIR"]) as log:
        done = subprocess.run([*shlex.split(tool.format(log=log.name)), *command], env=env, stdout=subprocess.PIPE)
        if done.returncode == UNSUPPORTED:
            return None
        if done.returncode != 0:
            raise SystemExit(f"{shlex.join(done.args)} failed")
        return int(re.search(pattern, log.read(), re.MULTILINE)[1])


def per_call(title, engine, env, few, many):
    """The difference of a long and a short run, so that start and end drop out."""
    short = count(title, engine.cold(few), env)
    if short is None:
        return None
    return (count(title, engine.cold(many), env) - short) / (many - few)


def descriptors(engine, env):
    """What a client holds before its first call, and what the connection that it keeps after it adds; None where it
    cannot speak the scheme."""
    done = subprocess.run([os.path.join(PROGRAMS, "descriptors"), engine.start], env=env, stdout=subprocess.PIPE)
    if done.returncode == UNSUPPORTED:
        return None
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(done.args)} failed")
    idle, kept = map(int, done.stdout.split())
    return idle, kept
