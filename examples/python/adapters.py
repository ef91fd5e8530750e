"""The same with requests and httpx, which keep everything that they can do; the manager gives them its tokens."""

import asyncio
import os

import httpx
import requests

import tokenmgr

url = os.environ["TOKENMGR_HOST"] + "/api/v1/products"
tm = tokenmgr.TokenManager()

with requests.Session() as session:
    session.auth = tm.requests_auth()
    print("requests:", session.get(url, timeout=30).status_code)

with httpx.Client(auth=tm.httpx_auth()) as client:
    print("httpx:", client.get(url).status_code)


async def main() -> None:
    async with httpx.AsyncClient(auth=tm.httpx_auth()) as client:
        answers = await asyncio.gather(*(client.get(url) for _ in range(3)))
        print("httpx, async:", *(answer.status_code for answer in answers))


asyncio.run(main())
