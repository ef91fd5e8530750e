"""A TokenManager that sends nothing."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ._manager import TokenManager
from ._request import compose, present
from ._response import Response
from ._script import Call, Script
from ._streams import Streams, target_of
from ._token import Token
from .errors import LoginRejected

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import ManagerOptions
    from ._request import RequestArguments

#: The options that matter to what sends nothing: where a token may go.
_ORIGINS = ("allowed_origins", "allow_insecure_http")


class FakeTokenManager(TokenManager):
    """A TokenManager for tests: it answers calls as the test says, keeps them in `calls`, and sends nothing.

    All that needs no network is the real thing: tokens, `check_url`, `accept`, `reject`, the checks of arguments. For tasks:
    `AsyncTokenManager.of(FakeTokenManager())`. An answer of 401 comes back as it is; to see the recovery from one, take a
    TokenApi.
    """

    def __init__(
        self,
        host: str | None = None,
        username: str | None = None,
        password: str | None = None,
        **options: Unpack[ManagerOptions],
    ) -> None:
        """Takes what a TokenManager takes, so that it can stand in its place. Of the options those count that say where
        tokens may go."""
        host = host or "https://api.example.test"
        origins: Any = {name: value for name, value in options.items() if name in _ORIGINS}
        super().__init__(host, username or "fake", "fake-password", proxy="none", **origins)
        #: A real one, which has no token to send, and so does no more than to check what a call is given.
        self._checking = TokenManager(host, "nobody", "", proxy="none", **origins)
        self._checking.on_log(None)
        self.calls: list[Call] = []
        self.logins = self.refreshes = self.logouts = 0
        self._script = Script()
        self._failure: BaseException | None = None

    def answer(
        self,
        method: str,
        url: str,
        status: int = 200,
        *,
        json: Any = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        raises: BaseException | None = None,
    ) -> None:
        """Has a call of `method` to `url` answered, or raise `raises`. Several answers are given in turn, and the last one
        from then on. A `url` without a query stands for any query."""
        self._script.add(method, self._path(url), status, json, content, headers, raises)

    def fail_with(self, error: BaseException | None) -> None:
        """Has everything raise this that would ask the API or the store; None: nothing any more."""
        self._failure = error

    def _send(self, method: bytes | None, url: str, arguments: RequestArguments) -> Response:
        assert method is not None
        params = arguments.get("params")
        if isinstance(params, Iterator):
            arguments["params"] = params = list(params)  # it is read three times
        self._check_call(method, url, arguments)
        named = method.decode().upper()
        body, _, _ = compose(**arguments)
        streams = body if isinstance(body, Streams) else None
        sent_body = sent(body) if isinstance(body, Streams) else body
        self.calls.append(Call(named, url, sent_body or b"", dict(arguments)))
        self.access_token()
        asked = with_query(url, params)
        answer = self._script.take(named, self._path(asked))
        if answer is None:
            raise AssertionError(
                f"{named} {url} was called, for which the test has no answer; call answer({named!r}, {url!r}, ...) "
                f"before. It has answers for: {self._script}"
            )
        if answer.raises is not None:
            raise answer.raises
        response = answer.response(named, self._host.rstrip("/") + asked if asked.startswith("/") else asked)
        return response if streams is None else received(streams, response)

    def _check_call(self, method: bytes, url: str, arguments: RequestArguments) -> None:
        """Raises what a TokenManager raises for what is wrong in a call, but for the body."""
        without_body: Any = dict(arguments)
        for name in ("json", "data", "stream", "sink"):
            without_body.pop(name, None)
        try:
            self._checking._send(method, url, without_body)
        except LoginRejected:
            pass

    def _path(self, url: str) -> str:
        host = self._host.rstrip("/")
        return url[len(host) :] if url.startswith(host) else url

    def _ask(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _take_new_tokens(self) -> None:
        number = self.logins + self.refreshes
        now = int(time.time())
        super().set_tokens(f"fake-access-token-{number}", f"fake-refresh-token-{number}", now + 3600, now + 604800)

    def token(self) -> Token:
        if self.try_access_token() is None:
            self.login() if self.peek_token() is None else self.refresh()
        token = self.peek_token()
        assert token is not None
        return token

    def login(self) -> None:
        self._ask()
        self.logins += 1
        self._take_new_tokens()

    def refresh(self) -> None:
        self._ask()
        self.refreshes += 1
        self._take_new_tokens()

    def logout(self) -> None:
        self._ask()
        self.logouts += 1
        super().set_credentials("nobody", "")
        super().set_credentials("fake", "fake-password")

    def close(self) -> None:
        self._checking.close()
        super().close()

    def check_store(self) -> None:
        self._ask()

    def check(self, path: str | None = None) -> dict[str, Any]:
        self._ask()
        return {"ok": True, "steps": []}


def with_query(url: str, params: Any) -> str:
    """The URL as it is sent."""
    if not params:
        return url
    values = present(params.items() if isinstance(params, Mapping) else params)
    pairs = [
        (name, value) for name, given in values.items() for value in (given if isinstance(given, list) else [given])
    ]
    texts = [(name, str(value).lower() if isinstance(value, bool) else value) for name, value in pairs]
    query = urllib.parse.urlencode(texts, safe="*").replace("~", "%7E")
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def sent(streams: Streams) -> bytes:
    """All of a request's body."""
    source = streams.source
    return b"" if source is None else b"".join(iter(partial(source.read, 65536), b""))


def received(streams: Streams, response: Response) -> Response:
    """The response with its body where the caller wants it."""
    target = target_of(streams.stream, streams.sink)
    if target is None or not 200 <= response.status_code < 300:
        return response
    try:
        target.write(response.content)
        file = target.finish()
    finally:
        target.close()
    return Response(response.status_code, b"" if file is None else None, response._head, None, file)
