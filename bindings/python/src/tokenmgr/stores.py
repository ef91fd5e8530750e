"""Stores of your own: tokens in a database, shared by any number of processes."""

from __future__ import annotations

import ctypes
import logging
from abc import ABC, abstractmethod
from typing import Any, Callable

from . import _native as native
from ._api import tm_store_load, tm_store_lock, tm_store_save, tm_store_unlock
from ._callbacks import DONE, NO, Callback
from ._pending import Kind

logger = logging.getLogger("tokenmgr")


class TokenStore(ABC):
    """Bytes under a key, behind a lock: derive from it to keep tokens wherever you like.

    The methods run on whatever thread is inside a call of the manager, one at a time for each manager. `key` is the
    option client_id, or the username. The bytes are JSON that holds the tokens: whoever reads the store can use them.

    What a method raises is logged, and becomes the cause of a StoreError where the manager cannot do without the store.
    As long as the token in memory is good, a store that cannot be reached fails no call.
    """

    #: Tells the stores of persistent managers apart; required with `persistent=True`.
    id: str | None = None
    #: Whether other processes use it, too: then `lock` and `unlock` are called.
    is_shared = True

    @abstractmethod
    def load(self, key: str) -> bytes | None:
        """What is stored under the key; None if nothing."""

    @abstractmethod
    def save(self, key: str, data: bytes | None, expected: bytes | None, ttl_seconds: int) -> bool:
        """Stores the data (None: deletes) if `expected` is still what is stored (None: nothing). Returns whether it was."""

    def lock(self, key: str, wait_seconds: float) -> bool:
        """Takes a lock that every process honours. Returns False if it was not free within that time."""
        raise NotImplementedError("a store that is shared needs lock and unlock; or set is_shared = False")

    def unlock(self, key: str) -> None:
        """Gives the lock back."""
        raise NotImplementedError("a store that is shared needs lock and unlock; or set is_shared = False")


def store_callbacks(store: TokenStore) -> list[Any]:
    """The four callbacks that the library takes for a store."""

    def callback(function: Callable[..., bool]) -> Callback:
        def logged(*arguments: Any) -> int:
            try:
                return DONE if function(*arguments) else NO
            except Exception as cause:
                logger.warning("the token store failed", exc_info=cause)
                raise

        return Callback(logged, Kind.STORE)

    def load(key: bytes, sink: int) -> bool:
        data = store.load(key.decode())
        if data is not None:
            native.sink_put(sink, data, len(data))
        return True

    def save(key: bytes, data: int, size: int, expected: int, expected_size: int, ttl: int) -> bool:
        return store.save(key.decode(), copy(data, size), copy(expected, expected_size), ttl)

    def lock(key: bytes, wait_ms: int) -> bool:
        return store.lock(key.decode(), wait_ms / 1000)

    def unlock(key: bytes) -> bool:
        store.unlock(key.decode())
        return True

    taken = [tm_store_load(callback(load)), tm_store_save(callback(save))]
    if store.is_shared:
        return [*taken, tm_store_lock(callback(lock)), tm_store_unlock(callback(unlock))]
    return [*taken, tm_store_lock(), tm_store_unlock()]


def copy(data: int | None, size: int) -> bytes | None:
    return ctypes.string_at(data, size) if data else None
