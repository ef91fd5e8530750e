"""A Celery application whose tasks call the API, with one manager that the prefork pool inherits."""

from __future__ import annotations

import os

from celery import Celery

import tokenmgr

folder = os.environ["CELERY_FOLDER"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{folder}/queue",
        "data_folder_out": f"{folder}/queue",
        "control_folder": f"{folder}/control",
    },
    broker_connection_retry_on_startup=False,
)

tm = tokenmgr.TokenManager()


@app.task  # type: ignore[untyped-decorator]
def products() -> int:
    return tm.get("/api/v1/products", timeout=10).status_code
