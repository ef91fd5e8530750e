"""A reverse proxy in front of an auth server, which keeps what went through it: that is how requests are counted where
the server itself does not tell."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from answers import Answer, parsed_json

#: What belongs to one connection, not to the message on it.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "proxy-connection"}


@dataclass
class Exchange:
    """A request as it came, and what the server answered."""

    method: str
    path: str
    headers: Any
    body: bytes
    answer: Answer
    took: float
    at: float = field(default_factory=time.monotonic)

    @property
    def fields(self) -> dict[str, Any]:
        """The body's members, or its form's."""
        if "json" in self.headers.get("Content-Type", ""):
            return dict(parsed_json(self.body) or {})
        return dict(urllib.parse.parse_qsl(self.body.decode()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        began = time.monotonic()
        answer = self.server.ask(self.command, self.path, sent, body)
        took = time.monotonic() - began
        self.server.note(Exchange(self.command, self.path.split("?")[0], self.headers, body, answer, took))
        # The server's own Date goes through: by it a client reads expiry times.
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Proxy(ThreadingHTTPServer):
    """Listens on a free port; `upstream` is the port of the server behind it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._exchanges: list[Exchange] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """Sends one request to the server, and keeps nothing of it. The server takes it for one to the proxy's address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=30)
        try:
            host = self.url.removeprefix("http://")
            connection.request(method, path, body or None, {"Host": host, "Connection": "close", **headers})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def note(self, exchange: Exchange) -> None:
        with self._changed:
            self._exchanges.append(exchange)
            self._changed.notify_all()

    def exchanges(self) -> list[Exchange]:
        with self._changed:
            return list(self._exchanges)

    def wait_for(self, enough: Any, timeout: float) -> bool:
        """Whether what went through came to be enough in time."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: enough(self._exchanges), timeout))

    def forget(self) -> None:
        with self._changed:
            self._exchanges.clear()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
