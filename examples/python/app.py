"""A web application that calls the API, for Gunicorn; what it knows comes from the environment.

    export TOKENMGR_HOST=https://api.example.com TOKENMGR_USERNAME=shop TOKENMGR_PASSWORD_FILE=/run/secrets/password
    export TOKENMGR_OPTIONS='{"store":{"type":"file","path":"/run/shop/tokens","key":{"file":"/run/secrets/key"}}}'
    gunicorn --workers 4 --threads 8 --preload app:application

One manager for the whole process, made where the module is loaded: threads share it, and so do workers that are forked
after `--preload`. With the memory store each worker logs in once; with a store that they share, one of them does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import tokenmgr

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

tm = tokenmgr.TokenManager(**json.loads(os.environ.get("TOKENMGR_OPTIONS", "{}")))


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    try:
        products = tm.get("/api/v1/products", timeout=10).raise_for_status()
    except tokenmgr.TokenManagerError as error:
        start_response("502 Bad Gateway", [("Content-Type", "text/plain")])
        return [str(error).encode()]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [products.content]
