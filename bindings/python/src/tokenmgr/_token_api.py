"""A token API in a thread of the test."""

from __future__ import annotations

import datetime
import json as json_text
import secrets
import socket
import socketserver
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from ._manager import TokenManager
from ._script import Answer, Call, Script

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ._options import ManagerOptions

USERNAME, PASSWORD = "user", "password"


class TokenApi:
    """A small API on a free port of this machine, with the login, refresh and logout of the default `auth`. Any other path
    wants a token and answers as the test says; a TokenManager does to it what it does to the real one.

    with TokenApi() as api, api.manager() as tm:
        api.answer("GET", "/api/v1/products", json=[])
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.logins = self.refreshes = self.logouts = 0
        self._script = Script()
        self._lock = threading.Lock()
        self._good: set[str] = set()
        self._unused: set[str] = set()

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="token API")
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.end()

    def manager(self, **options: Unpack[ManagerOptions]) -> TokenManager:
        """A real TokenManager of this API."""
        return TokenManager(self.url, USERNAME, PASSWORD, **options)

    def answer(
        self,
        method: str,
        path: str,
        status: int = 200,
        *,
        json: Any = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Has `method` to `path` answered. Several answers are given in turn, and the last one from then on. A path without
        a query stands for any query; `/auth/...` may be answered otherwise than usual, too."""
        self._script.add(method, path, status, json, content, headers)

    def revoke(self) -> None:
        """Refuses the access tokens that there are: 401. A refresh brings a good one."""
        with self._lock:
            self._good.clear()

    def _answer(self, call: Call, bearer: str) -> Answer:
        with self._lock:
            if call.url.startswith("/auth/"):
                return self._script.take(call.method, call.url) or self._auth(call, bearer)
            self.calls.append(call)
            if bearer not in self._good:
                return refusal(401, "invalid_token")
            return self._script.take(call.method, call.url) or refusal(404, "not_found")

    def _auth(self, call: Call, bearer: str) -> Answer:
        if call.url == "/auth/login":
            sent = call.json()
            if (sent.get("username"), sent.get("password")) != (USERNAME, PASSWORD):
                return refusal(401, "invalid_credentials")
            self.logins += 1
            return self._pair()
        if call.url == "/auth/refresh":
            token = call.json().get("refresh_token")
            if token not in self._unused:
                return refusal(401, "invalid_refresh_token")
            self._unused.remove(token)
            self.refreshes += 1
            return self._pair()
        if bearer not in self._good:
            return refusal(401, "invalid_token")
        self.logouts += 1
        self._good.clear()
        self._unused.clear()
        return in_json(200, {"success": True, "data": {"message": "logged out"}})

    def _pair(self) -> Answer:
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        self._good.add(access)
        self._unused.add(refresh)
        now = datetime.datetime.now(datetime.timezone.utc)
        data = {
            "access_token": access,
            "refresh_token": refresh,
            "access_expires_at": (now + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "refresh_expires_at": (now + datetime.timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "client_id": 1,
        }
        return in_json(200, {"success": True, "data": data})


def in_json(status: int, body: Any) -> Answer:
    return Answer(status, json_text.dumps(body).encode(), {"content-type": "application/json"})


def refusal(status: int, code: str) -> Answer:
    return in_json(status, {"error": {"name": code, "code": code, "message": code.replace("_", " ")}})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet: its body would wait 40 ms for the client's word that the head arrived
    server: _Server

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        bearer = (self.headers.get("authorization") or "").partition(" ")[2]
        call = Call(self.command, self.path, body, {"headers": dict(self.headers)})
        answer = self.server.api._answer(call, bearer)
        self.send_response(answer.status)
        for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body_to(self.command))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815 (so http.server wants it)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line().split(b";")[0], 16):
            body += self.rfile.read(size)
            self._line()
        self.rfile.readline()
        return body

    def _line(self) -> bytes:
        line = self.rfile.readline()
        if not line:
            raise ConnectionAbortedError("the client left in the middle of its body")
        return line

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(socketserver.ThreadingTCPServer):
    def __init__(self, api: TokenApi) -> None:
        self.api = api
        self._connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may leave
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Ends the connections that clients keep, and with them their threads."""
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended
        self.server_close()
