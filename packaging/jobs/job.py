"""What every installed package has to do, in Python: log in, call, refresh, share a file store, and survive a fork."""

import os
import sys

import tokenmgr

folder = sys.argv[1]
store = {"type": "file", "path": folder + "/tokens", "key": {"file": folder + "/key"}}


def products(tm):
    return len(tm.get("/api/v1/products").raise_for_status().json()["data"])


with tokenmgr.TokenManager(store=store) as tm:
    assert products(tm) == 3
    first = tm.access_token()
    tm.refresh()
    assert tm.access_token() != first
    assert products(tm) == 3
    child = os.fork()
    if child == 0:
        os._exit(0 if products(tm) == 3 else 1)
    assert os.waitpid(child, 0)[1] == 0
    with tokenmgr.TokenManager(store=store) as other:
        assert products(other) == 3
        assert other.access_token() == tm.access_token()
    assert products(tm) == 3
print("job done by", tokenmgr._library.find())
