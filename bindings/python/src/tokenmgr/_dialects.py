"""What differs between databases: locks, transactions, and some words of SQL."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

#: Between two tries to take a lock: short enough for Ctrl-C.
PAUSE = 0.02


def tries(until: float) -> Iterator[float]:
    """At least one try, and then one after each pause until the time is over; gives what is left of it."""
    while True:
        left = until - time.monotonic()
        yield max(left, 0.0)
        if left <= PAUSE:
            return
        time.sleep(PAUSE)


class Dialect:
    """A connection that commits each statement at once, unless a lock has begun a transaction."""

    text = "TEXT"
    insert = "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING"

    def __init__(self, connection: Any, paramstyle: str) -> None:
        self.connection = connection
        self._paramstyle = paramstyle

    def execute(self, statement: str, *values: Any) -> Any:
        if self._paramstyle in ("format", "pyformat"):
            statement = statement.replace("?", "%s")
        elif self._paramstyle == "numeric":
            numbers = itertools.count(1)
            statement = "".join(f":{next(numbers)}" if char == "?" else char for char in statement)
        cursor = self.connection.cursor()
        cursor.execute(statement, values)
        return cursor

    def lock(self, name: str, until: float) -> bool:
        """Takes the lock of this name, 64 hexadecimal digits."""
        raise NotImplementedError

    def unlock(self, name: str) -> None:
        raise NotImplementedError

    def commit(self) -> None:
        """Commits what was written under the lock."""


class Sqlite(Dialect):
    """The lock is the database's write lock: a transaction that begins as one that writes."""

    #: How many seconds a statement waits for another connection that is committing.
    WAIT = 10.0

    def __init__(self, connection: Any, paramstyle: str) -> None:
        super().__init__(connection, paramstyle)
        connection.isolation_level = None
        if getattr(connection, "autocommit", -1) is False:
            connection.autocommit = True
        super().execute("PRAGMA busy_timeout = 50")

    def execute(self, statement: str, *values: Any) -> Any:
        until = time.monotonic() + self.WAIT
        for left in tries(until):
            try:
                return super().execute(statement, *values)
            except Exception as error:
                if not is_busy(error) or left <= PAUSE:
                    raise
        raise AssertionError("tries() gives one at least")

    def lock(self, name: str, until: float) -> bool:
        for _ in tries(until):
            try:
                super().execute("BEGIN IMMEDIATE")
                return True
            except Exception as error:
                if not is_busy(error):
                    raise
        return False

    def commit(self) -> None:
        if self.connection.in_transaction:
            self.execute("COMMIT")

    def unlock(self, name: str) -> None:
        if self.connection.in_transaction:
            self.execute("ROLLBACK")


def is_busy(error: Exception) -> bool:
    return "locked" in str(error)


class Postgres(Dialect):
    """An advisory lock that ends with its transaction."""

    def __init__(self, connection: Any, paramstyle: str) -> None:
        super().__init__(connection, paramstyle)
        connection.autocommit = True
        if hasattr(connection, "prepare_threshold"):
            # psycopg would prepare a statement from its fifth time on; behind PgBouncer another session has to run it.
            connection.prepare_threshold = None
        self._locked = False

    def lock(self, name: str, until: float) -> bool:
        number = int.from_bytes(bytes.fromhex(name[:16]), "little", signed=True)
        for _ in tries(until):
            self.execute("BEGIN")
            self._locked = True
            if self.execute("SELECT pg_try_advisory_xact_lock(?)", number).fetchone()[0]:
                return True
            self._end("ROLLBACK")
        return False

    def _end(self, how: str) -> None:
        if self._locked:
            self._locked = False
            self.execute(how)

    def commit(self) -> None:
        self._end("COMMIT")

    def unlock(self, name: str) -> None:
        self._end("ROLLBACK")


class Mysql(Dialect):
    """GET_LOCK, which belongs to the session."""

    text = "MEDIUMTEXT"
    insert = "INSERT IGNORE INTO {} ({}) VALUES ({})"

    def __init__(self, connection: Any, paramstyle: str) -> None:
        super().__init__(connection, paramstyle)
        if callable(connection.autocommit):
            connection.autocommit(True)
        else:
            connection.autocommit = True

    def lock(self, name: str, until: float) -> bool:
        return any(self.execute("SELECT GET_LOCK(?, 0)", name).fetchone()[0] == 1 for _ in tries(until))

    def unlock(self, name: str) -> None:
        self.execute("SELECT RELEASE_LOCK(?)", name).fetchone()


DIALECTS: dict[str, type[Dialect]] = {
    "sqlite3": Sqlite,
    "psycopg": Postgres,
    "psycopg2": Postgres,
    "pg8000": Postgres,
    "pymysql": Mysql,
    "MySQLdb": Mysql,
    "mysql": Mysql,
    "mariadb": Mysql,
}


def dialect_of(connection: Any) -> Dialect:
    """The dialect of a DB-API connection, told by the module that its class, or one that it derives from, is of."""
    for kind in type(connection).__mro__:
        name = kind.__module__.split(".")[0]
        if name in DIALECTS:
            module = sys.modules.get("mysql.connector" if name == "mysql" else name)
            return DIALECTS[name](connection, getattr(module, "paramstyle", "qmark"))
    raise TypeError(
        f"DbApiStore does not know connections of {type(connection).__module__}; it knows those of {', '.join(DIALECTS)}"
    )
