"""A host program that forks: makes a manager, calls with it, and goes on with it in a forked child.

Usage: fork.py LIBRARY ORDER, where ORDER is JSON with `host`, `username`, `password` and `options`. Prints what the
child's calls and statistics were, as JSON.
"""

import ctypes
import json
import os
import sys


def main() -> None:
    library, order = ctypes.CDLL(sys.argv[1]), json.loads(sys.argv[2])
    for name in ("tm_new", "tm_request"):
        getattr(library, name).restype = ctypes.c_void_p
    library.tm_stats_json.restype = ctypes.c_char_p
    text = [str(order[name]).encode() for name in ("host", "username", "password")]
    manager = ctypes.c_void_p(library.tm_new(*text, json.dumps(order["options"]).encode(), None))

    def status() -> int:
        path = b"/api/v1/products"
        response = library.tm_request(manager, b"GET", path, None, ctypes.c_size_t(0), None, None)
        return int(library.tm_response_status(ctypes.c_void_p(response)))

    assert status() == 200
    child = os.fork()
    if child != 0:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    refreshed = library.tm_refresh(manager, None)
    stats = json.loads(library.tm_stats_json(manager, None))
    print(json.dumps({"refreshed": refreshed, "status": status(), "stats": stats}), flush=True)
    os._exit(0)


main()
