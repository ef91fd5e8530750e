"""What the library promises, tried on a real auth server. Every file `test_*.py` runs it over one."""

from __future__ import annotations

import threading
import time

import pytest

import tokenmgr
from server import Server
from tokenmgr.errors import LoginRejected, LoginSuspended, Unauthorized

THREADS = 16
ROTATIONS = 10


def begin_of_a_second() -> None:
    """A JWT's times are whole seconds, cut off: one that is made late in its second lives for almost a second less."""
    time.sleep(1 - time.time() % 1)


class Suite:
    """For `kind`, a server."""

    kind: type[Server]

    def test_logs_in_and_calls(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        answer = tm.get(server.api)
        assert answer.status_code == 200, answer.text
        assert tm.get(server.api).status_code == 200
        assert server.counts() == {"login": 1}
        left = tm.token().seconds_left
        assert 0 <= left <= server.lifetime, left

    def test_refreshes_ahead_of_expiry(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        begin_of_a_second()
        first = tm.token().access_token
        until = time.monotonic() + 3 * server.lifetime
        renewed = {"login": 2} if server.renewal == "login" else {"login": 1, "refresh": 1}
        while server.counts() != renewed:
            assert tm.get(server.api).status_code == 200
            assert time.monotonic() < until, server.counts()
            time.sleep(0.02)
        assert [call.answer.status for call in server.seen("call") if call.answer.status != 200] == []
        assert (tm.token().access_token != first) == server.rotates

    def test_a_dead_access_token_costs_one_renewal(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        assert tm.get(server.api).status_code == 200
        server.kill_access(tm)
        server.proxy.forget()
        assert tm.get(server.api).status_code == 200
        assert server.counts() == {server.recovery: 1}
        refused = [call for call in server.seen("call") if call.answer.status != 200]
        assert 1 <= len(refused) <= 2, "a token that is younger than 2 s is sent twice"

    def test_a_dead_refresh_token_costs_a_login(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        if server.renewal == "login":
            pytest.skip("it has no refresh")
        tm.login()
        server.kill_refresh(tm)
        server.proxy.forget()
        tm.refresh()
        assert tm.get(server.api).status_code == 200
        assert server.counts() == {"refresh": 1, "login": 1}
        assert tm.stats()["refreshes_refused"] == 1

    def test_a_wrong_password_is_tried_once(self, server: Server) -> None:
        with server.impostor() as tm:
            with pytest.raises(LoginRejected) as refused:
                tm.get(server.api)
            assert "wrong-password" not in str(refused.value)
            with pytest.raises(LoginSuspended) as suspended:
                tm.get(server.api)
            assert (suspended.value.retry_after or 0) > 0
        assert server.counts() == {"login": 1}

    def test_a_logout_ends_the_tokens_at_the_server(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        tm.login()
        held = tm.token()
        assert server.call_with(held.access_token).is_success
        tm.logout()
        assert server.counts() == {"login": 1, "logout": 1}
        assert [server.is_granted(logout) for logout in server.seen("logout")] == [True]
        assert server.call_with(held.access_token).is_success != server.logout_ends_access
        if server.renewal == "refresh":
            assert not server.refresh_with(held).is_success
        assert tm.get(server.api).status_code == 200
        assert server.counts() == {"login": 2, "logout": 1}

    def test_a_logout_with_a_dead_token_blames_nothing_else(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        tm.login()
        server.kill_access(tm)
        try:
            tm.logout()  # many do not look at the access token
        except Unauthorized as said:
            assert "no longer valid" in str(said)  # noqa: PT017
        assert tm.get(server.api).status_code == 200

    def test_many_threads_share_each_rotation(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        failures: list[object] = []
        enough = threading.Event()

        def work() -> None:
            try:
                while not enough.is_set():
                    answer = tm.get(server.api)
                    if answer.status_code != 200:
                        failures.append(answer.text)
                    enough.wait(server.pause)
            except tokenmgr.TokenManagerError as raised:
                failures.append(raised)

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        wanted = ROTATIONS + (server.renewal == "login")
        came = server.proxy.wait_for(
            lambda all_: sum(server.kind(one) == server.renewal for one in all_) >= wanted,
            5 * ROTATIONS * server.lifetime,
        )
        enough.set()
        for thread in threads:
            thread.join()
        # The last of the new tokens is to be seen in a call, too.
        assert tm.get(server.api).status_code == 200

        assert came, server.counts()
        assert failures == []
        renewals = server.seen(server.renewal)
        assert [renewal.answer.status for renewal in renewals if not server.is_granted(renewal)] == []
        if server.renewal == "refresh":
            assert server.counts()["login"] == 1
        if server.rotates:
            if server.renewal == "refresh" and server.spends:
                spent = [server.refresh_token_of(renewal) for renewal in renewals]
                assert len(set(spent)) == len(spent), "a refresh token was sent twice"
            logins = server.counts()["login"] if server.renewal == "refresh" else 0
            assert len(server.access_tokens()) == logins + len(renewals), "a token was fetched that nobody needed"
        # However many threads meet the same window: no token was replaced in the first half of its life.
        began = server.proxy.exchanges()[0].at
        windows = (renewals[-1].at - began) / (server.lifetime / 2)
        assert len(renewals) <= windows + 1, f"{len(renewals)} renewals in {windows:.1f} half lives"
