"""asyncio: the manager's own calls, and aiohttp with its tokens."""

import asyncio
import os

import aiohttp

import tokenmgr


async def main() -> None:
    async with tokenmgr.AsyncTokenManager() as tm:
        answers = await asyncio.gather(*(tm.get("/api/v1/products", params={"page": page}) for page in range(3)))
        print("tokenmgr:", *(answer.status_code for answer in answers))

        middlewares = (tm.aiohttp_middleware(),)
        async with aiohttp.ClientSession(os.environ["TOKENMGR_HOST"], middlewares=middlewares) as session:
            response = await session.get("/api/v1/products")
            print("aiohttp:", response.status)


asyncio.run(main())
