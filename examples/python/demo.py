"""A client as programs have them: it calls the API once a second and cares for nothing else. What becomes of the tokens
in the meantime, the library's own log lines tell. SIGTERM ends it: it logs out.

    python3 demo.py '{"refresh_before_seconds":2,"refresh_jitter_seconds":0}'
"""

import json
import signal
import sys
import threading

import tokenmgr

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())


def say(who: str, what: str) -> None:
    print(f"    {who:<8} {what}", flush=True)


with tokenmgr.TokenManager(**json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")) as tm:
    tm.on_log(lambda level, message: say("library", message))
    calls = 0
    while not stopping.is_set():
        response = tm.get("/api/v1/products")
        left = tm.token().seconds_left
        say("client", f"GET /api/v1/products: {response.status_code}, the token is good for {left} more s")
        if response.error:
            say("client", f"{type(response.error).__name__}: {response.error}")
        calls += 1
        stopping.wait(1)
    tm.logout()
    say(
        "client",
        f"logged out after {calls} calls, {tm.stats()['logins']} logins and {tm.stats()['refreshes']} refreshes",
    )
