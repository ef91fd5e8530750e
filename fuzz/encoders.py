"""What is given to the Python package arrives at the server as it was given: queries, headers and bodies at random, for
FUZZ_SECONDS, and options, which are taken or refused in words of the package's own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bindings/python/src"))
os.environ["TOKENMGR_LIBRARY"] = str(ROOT / "build/lib")

import tokenmgr  # noqa: E402 (found by what stands above)

CHARACTERS = "aZ09 -_.~!*'()&=+%#?/\\\"<>{}[]|^`,;:@$\t\n\r\x7f\x80éß€中\u2028\ufeff\U0001f600"


def text(dice: random.Random) -> str:
    return "".join(dice.choices(CHARACTERS, k=dice.randrange(12)))


def scalar(dice: random.Random) -> Any:
    return dice.choice([text, lambda d: d.randrange(-(2**63), 2**63), lambda d: d.random() < 0.5])(dice)


def tree(dice: random.Random, depth: int = 3) -> Any:
    kinds = [text, scalar, lambda d: d.uniform(-1e300, 1e300), lambda _: None]
    if depth > 0:
        kinds.append(lambda d: [tree(d, depth - 1) for _ in range(d.randrange(4))])
        kinds.append(lambda d: {text(d): tree(d, depth - 1) for _ in range(d.randrange(4))})
    return dice.choice(kinds)(dice)


def shown(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def check_request(tm: tokenmgr.TokenManager, dice: random.Random) -> None:
    params = {f"q{number}{text(dice)}": scalar(dice) for number in range(dice.randrange(4))}
    body = tree(dice)
    answer = tm.post("/api/v1/echo", params=params, json=[body]).json()["data"]
    arrived = [tuple(pair) for pair in answer["query"]]
    wanted = [(name, shown(value)) for name, value in params.items()]
    assert sorted(arrived) == sorted(wanted), f"{params!r} arrived as {arrived!r}"
    assert json.loads(answer["body"]) == [body], f"{body!r} arrived as {answer['body']!r}"


def check_options(url: str, dice: random.Random) -> None:
    names = ["timeout_ms", "client_id", "user_agent", "headers", "proxy", "allowed_origins", "store", "persistent", "x"]
    options = {name: tree(dice) for name in dice.sample(names, dice.randrange(4))}
    try:
        tokenmgr.TokenManager(url, "demo", "demo-password", **options).close()
    except (tokenmgr.TokenManagerError, TypeError, ValueError):
        pass


def main() -> None:
    seed = int(os.environ.get("FUZZ_SEED", time.time_ns()))
    dice, end, count = random.Random(seed), time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "20")), 0  # noqa: S311 (no secret comes of it)
    print(f"FUZZ_SEED={seed}", flush=True)
    command = [ROOT / "build/libexec/demo-api", "--parent-exits"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as api:  # noqa: S603 (a program of our own)
        assert api.stdout is not None
        url = api.stdout.readline().removeprefix("listening on ").strip()
        with tokenmgr.TokenManager(url, "demo", "demo-password") as tm:
            while time.monotonic() < end:
                check_request(tm, dice)
                check_options(url, dice)
                count += 1
        api.kill()
    print(f"{count} requests and options")


main()
