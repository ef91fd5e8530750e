"""A store in any database with a DB-API driver: SQLite, PostgreSQL, MySQL and MariaDB.

The table and the locks are those of the PHP package's PdoStore, so that both may share them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
import time
import weakref
from typing import Any, Callable

from ._dialects import Dialect, dialect_of
from .stores import TokenStore


class DbApiStore(TokenStore):
    """Keeps tokens in a table. Saving compares and swaps in one statement; the lock is SQLite's own write lock,
    PostgreSQL's advisory lock (for a transaction, so that PgBouncer may be in between), MySQL's GET_LOCK.

        DbApiStore(lambda: sqlite3.connect("tokens.db", check_same_thread=False))
        DbApiStore(lambda: psycopg.connect("dbname=shop"))

    `connect` opens a connection that is the store's own. It is called when a connection is first needed, again in a
    forked child, and again when one has failed.
    """

    def __init__(self, connect: Callable[[], Any], table: str = "tokenmgr_tokens", *, id: str | None = None) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", table):
            raise ValueError(f'"{table}" is no name for a table: letters, digits and _ make one')
        self._connect = connect
        self._table = table
        self.id = id or f"dbapi {table}"
        self._begin_anew()
        _stores.add(self)

    def _begin_anew(self) -> None:
        self._database: Dialect | None = None
        # Managers that share the store take turns, from lock to unlock.
        self._turn = threading.RLock()

    def create_table(self) -> None:
        """Makes the table, unless it is there."""
        self._execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} (client CHAR(64) NOT NULL PRIMARY KEY, "
            f"record {self._opened().text} NOT NULL, version CHAR(64) NOT NULL, expires_at BIGINT NOT NULL)"
        )

    def load(self, key: str) -> bytes | None:
        cursor = self._execute(
            f"SELECT record FROM {self._table} WHERE client = ? AND expires_at > ?", digest(key), int(time.time())
        )
        row = cursor.fetchone()
        return base64.b64decode(row[0]) if row else None

    def save(self, key: str, data: bytes | None, expected: bytes | None, ttl_seconds: int) -> bool:
        client, now = digest(key), int(time.time())
        # Base64 is the same in every character set and collation; a version is compared as one number would be.
        columns = () if data is None else (base64.b64encode(data).decode(), digest(data), now + ttl_seconds)
        if expected is None:
            self._execute(f"DELETE FROM {self._table} WHERE client = ? AND expires_at <= ?", client, now)
            done = (
                data is None
                or self._execute(
                    self._opened().insert.format(self._table, "client, record, version, expires_at", "?, ?, ?, ?"),
                    client,
                    *columns,
                ).rowcount
                == 1
            )
        elif data is None:
            delete = f"DELETE FROM {self._table} WHERE client = ? AND version = ?"
            done = self._execute(delete, client, digest(expected)).rowcount == 1
        else:
            update = (
                f"UPDATE {self._table} SET record = ?, version = ?, expires_at = ? WHERE client = ? AND version = ?"
            )
            done = self._execute(update, *columns, client, digest(expected)).rowcount == 1
            # MySQL counts no row where nothing changes.
            done = done or (data == expected and self.load(key) == data)
        if done:
            self._do(lambda database: database.commit())
        return done

    def lock(self, key: str, wait_seconds: float) -> bool:
        until = time.monotonic() + wait_seconds
        if not self._turn.acquire(timeout=wait_seconds):
            return False
        taken = False
        try:
            taken = self._lock(digest(f"{self._table} {key}"), until)
        finally:
            if not taken:
                self._turn.release()
        return taken

    def _lock(self, name: str, until: float) -> bool:
        is_new = self._database is None
        try:
            return bool(self._do(lambda database: database.lock(name, until)))
        except Exception:
            if is_new:
                raise
        # The server may have closed the connection since: nothing has begun yet.
        return bool(self._do(lambda database: database.lock(name, until)))

    def unlock(self, key: str) -> None:
        try:
            self._do(lambda database: database.unlock(digest(f"{self._table} {key}")))
        finally:
            self._turn.release()

    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        with self._turn:
            database, self._database = self._database, None
            if database is not None:
                database.connection.close()

    def _execute(self, statement: str, *values: Any) -> Any:
        return self._do(lambda database: database.execute(statement, *values))

    def _do(self, action: Callable[[Dialect], Any]) -> Any:
        with self._turn:
            try:
                return action(self._opened())
            except BaseException:
                # Nobody knows what state the connection is in: the next call opens another.
                try:
                    self.close()
                except Exception:
                    pass
                raise

    def _opened(self) -> Dialect:
        if self._database is None:
            self._database = dialect_of(self._connect())
        return self._database


_stores: weakref.WeakSet[DbApiStore] = weakref.WeakSet()

#: Connections of a parent process: closing them here would close them there.
_inherited: list[Dialect | None] = []


def _in_child() -> None:
    for store in _stores:
        _inherited.append(store._database)
        store._begin_anew()


os.register_at_fork(after_in_child=_in_child)


def digest(value: str | bytes) -> str:
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()
