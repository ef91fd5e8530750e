"""The main job. TOKENMGR_HOST, TOKENMGR_USERNAME and TOKENMGR_PASSWORD say where and who."""

import tokenmgr

with tokenmgr.TokenManager() as tm:
    for product in tm.get("/api/v1/products").raise_for_status().json()["data"]:
        print(product["id"], product["name"])
