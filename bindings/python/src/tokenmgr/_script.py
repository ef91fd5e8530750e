"""What a test wants answered, and what was asked."""

from __future__ import annotations

import json as json_text
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._api import Status
from ._response import ErrorFacts, Response


@dataclass(frozen=True)
class Call:
    """One call, as it was made."""

    method: str
    #: As it was passed; a TokenApi has the path and the query of what arrived.
    url: str
    #: The body, as it is sent.
    body: bytes = b""
    #: What get(), post(), ... got by keyword; of a TokenApi, `headers` alone.
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON."""
        return json_text.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raises: BaseException | None = None

    def response(self, method: str, url: str) -> Response:
        """What a TokenManager makes of it."""
        lines = [url]
        for name, value in self.headers.items():
            lines += [name.lower(), value]
        head = "".join(f"{line}\n" for line in lines).encode()
        return Response(self.status, self.body_to(method), head, self._error(method, url))

    def body_to(self, method: str) -> bytes:
        """What of the body is sent."""
        return b"" if method == "HEAD" or self.status in (204, 304) else self.body

    def _error(self, method: str, url: str) -> ErrorFacts | None:
        if self.status < 400:
            return None
        status = {401: Status.UNAUTHORIZED, 403: Status.FORBIDDEN, 429: Status.RATE_LIMITED}.get(self.status)
        status = status or (Status.HTTP_ERROR if self.status < 500 else Status.SERVER_ERROR)
        seconds = {name.lower(): value for name, value in self.headers.items()}.get("retry-after", "")
        return ErrorFacts(
            status=status,
            message=f"{method} {url} was answered {self.status}, as the test has it",
            http_status=self.status,
            server_code=self._server_code(),
            retry_after_ms=int(seconds) * 1000 if seconds.isdigit() else -1,
            is_retryable=status in (Status.RATE_LIMITED, Status.SERVER_ERROR),
        )

    def _server_code(self) -> bytes | None:
        """Where the default `auth` looks for it."""
        try:
            body = json_text.loads(self.body)
        except ValueError:
            return None
        error = body.get("error", body) if isinstance(body, dict) else None
        code = error.get("code", error.get("name")) if isinstance(error, dict) else error
        return str(code).encode() if isinstance(code, (str, int)) else None


class Script:
    """Answers by method and path. Those for one path are given in turn; the last one stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        #: By method and path, how many of them were given.
        self._given: dict[tuple[str, str], int] = {}

    def add(
        self,
        method: str,
        path: str,
        status: int,
        json: Any,
        content: bytes,
        headers: Mapping[str, str] | None,
        raises: BaseException | None = None,
    ) -> None:
        headers = dict(headers or {})
        if json is not None:
            content = json_text.dumps(json).encode()
            headers.setdefault("content-type", "application/json")
        with self._lock:
            several = self._answers.setdefault((method.upper(), path), [])
            several.append(Answer(status, content, headers, raises))

    def take(self, method: str, path: str) -> Answer | None:
        with self._lock:
            key = (method, path)
            if key not in self._answers:
                key = (method, path.partition("?")[0])
            several = self._answers.get(key)
            if several is None:
                return None
            given = self._given.get(key, 0)
            self._given[key] = min(given + 1, len(several))
            return several[min(given, len(several) - 1)]

    def __str__(self) -> str:
        return ", ".join(" ".join(known) for known in self._answers) or "nothing"
