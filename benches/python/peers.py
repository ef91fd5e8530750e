"""peers.py NAME: a client in Python for the benchmark, that speaks the protocol of ../c/worker.c.

Each calls as its documentation advises: one session, reused, so that its connection is kept.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Callable

URL = os.environ["BENCH_URL"]
TOKEN = os.environ["BENCH_TOKEN"]
CA = os.environ.get("BENCH_CA")
PRODUCTS = "/api/v1/products"

#: Makes one call, and gives its status and body.
Call = Callable[[], "tuple[int, bytes]"]


def tokenmgr() -> Call:
    import tokenmgr

    tm = tokenmgr.TokenManager(URL, "demo", ca_file=CA)
    tm.set_tokens(TOKEN)

    def call() -> tuple[int, bytes]:
        response = tm.get(PRODUCTS)
        return response.status_code, response.content

    return call


def requests() -> Call:
    import requests

    session = requests.Session()
    session.headers["Authorization"] = "Bearer " + TOKEN

    def call() -> tuple[int, bytes]:
        response = session.get(URL + PRODUCTS, timeout=30, verify=CA or True)
        return response.status_code, response.content

    return call


def httpx() -> Call:
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=CA)
    client = httpx.Client(base_url=URL, headers={"Authorization": "Bearer " + TOKEN}, timeout=30, verify=context)

    def call() -> tuple[int, bytes]:
        response = client.get(PRODUCTS)
        return response.status_code, response.content

    return call


def urllib3() -> Call:
    import urllib3

    pool = urllib3.PoolManager(headers={"Authorization": "Bearer " + TOKEN}, timeout=30, ca_certs=CA)

    def call() -> tuple[int, bytes]:
        response = pool.request("GET", URL + PRODUCTS)
        return response.status, response.data

    return call


def pycurl() -> Call:
    import io

    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, URL + PRODUCTS)
    curl.setopt(pycurl.HTTPHEADER, ["Authorization: Bearer " + TOKEN])
    curl.setopt(pycurl.TIMEOUT, 30)
    if CA:
        curl.setopt(pycurl.CAINFO, CA)

    def call() -> tuple[int, bytes]:
        body = io.BytesIO()
        curl.setopt(pycurl.WRITEDATA, body)
        curl.perform()
        return curl.getinfo(pycurl.RESPONSE_CODE), body.getvalue()

    return call


PEERS: dict[str, Callable[[], Call]] = {peer.__name__: peer for peer in (tokenmgr, requests, httpx, urllib3, pycurl)}


def run_round(call: Call, calls: int) -> str:
    now, times = time.perf_counter_ns, []
    cpu, before = time.process_time_ns(), now()
    wall = before
    for _ in range(calls):
        status, body = call()
        after = now()
        times.append(after - before)
        before = after
        if status != 200 or len(body) < 500:
            raise SystemExit(f"unexpected answer {status}")
    return " ".join(map(str, [before - wall, time.process_time_ns() - cpu, *times]))


def main() -> None:
    call = PEERS[sys.argv[1]]()
    for line in sys.stdin:
        print(run_round(call, int(line)), flush=True)


main()
