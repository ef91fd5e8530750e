"""What a server answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


def parsed_json(body: bytes) -> Any:
    """None where it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return parsed_json(self.body)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300
