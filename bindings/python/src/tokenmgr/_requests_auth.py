"""A manager's tokens for `requests`."""

from __future__ import annotations

import datetime
import time
from typing import Any

import requests
import requests.auth
import requests.cookies
import requests.utils

from ._bearer import PREFIX, TokenSource, accept, is_refused


class RequestsAuth(requests.auth.AuthBase):
    """Sends a good token, and where it is refused another one, once. To other origins than the manager's it sends
    nothing: UrlNotAllowed. The client follows redirects to them, but without a token."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._source.check_url(request.url or "")
        request.headers["Authorization"] = PREFIX + self._source.access_token()
        request.register_hook("response", self._recover)  # type: ignore[no-untyped-call]
        return request

    def _recover(self, response: requests.Response, **options: Any) -> requests.Response:
        if not is_refused(self._source, response.status_code, response.request.headers.get("Authorization")):
            return response
        request = response.request.copy()
        # Once only; other hooks still see the answer.
        request.hooks["response"] = [hook for hook in request.hooks["response"] if hook != self._recover]
        if getattr(request, "_body_position", None) is not None:
            try:
                requests.utils.rewind_body(request)
            except requests.exceptions.UnrewindableBodyError:
                return response
        elif request.body is not None and not isinstance(request.body, (str, bytes, bytearray)):
            return response  # an iterator that has been read: the next call has another token
        response.content  # noqa: B018 (read to its end, so that the connection can be used again)
        response.close()
        jar = request._cookies  # type: ignore[attr-defined]
        requests.cookies.extract_cookies_to_jar(jar, response.request, response.raw)  # type: ignore[no-untyped-call]
        request.prepare_cookies(jar)
        request.headers["Authorization"] = PREFIX + self._source.access_token()
        began = time.perf_counter()
        again: requests.Response = response.connection.send(request, **options)
        accept(self._source, again.status_code, request.headers["Authorization"])
        again.elapsed = datetime.timedelta(seconds=time.perf_counter() - began)
        again.history.append(response)
        again.request = request
        return again
