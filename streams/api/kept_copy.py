"""Whether the store's file of before may be used again, or the copy is made anew from the topics, with a word.

It must be of this form, namespace and incarnation of the topics, its places must still be in the logs, and it must not
be so old that compaction may have dropped the mark of a deleted key that it still holds.
"""

from __future__ import annotations

import fcntl
import logging
import re
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from streams.api.store import FORM, Store
from streams.contract.settings import Settings, SettingsError, folder_of

log = logging.getLogger(__name__)

OLD_S = 12 * 3600.0
"""Half of the time for which Kafka keeps the mark of a deletion (`delete.retention.ms`, a day unless set)."""
Bounds = Mapping[tuple[str, int], tuple[int, int]]
"""(Topic without namespace, partition) → the first offset that is left, and the end."""


class KeptCopy:
    """The file of one query service; a lock keeps others off it.

    Args:
        settings: whose `data_dir` is the folder.

    Raises SettingsError when the folder cannot be used or another process uses the file.
    """

    def __init__(self, settings: Settings) -> None:
        folder = folder_of("CREDENCE_DATA_DIR", Path(settings.data_dir))
        name = re.sub(r"[^A-Za-z0-9._-]", "_", settings.namespace)
        self.path = folder / f"{name}scores.sqlite"
        self._namespace = settings.namespace
        self._lock = (folder / f"{name}scores.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SettingsError(
                f"CREDENCE_DATA_DIR is {folder}, where another query service keeps its copy: give each its own folder"
            ) from None

    def opened(self, topic_ids: Mapping[str, str], bounds: Bounds) -> Store:
        """The copy, ready to go on from its places; made anew where it cannot be used.

        Args:
            topic_ids: followed topic → short id of its incarnation.
            bounds: of every partition that is followed.
        """
        wanted = {"form": str(FORM), "namespace": self._namespace, "topics": _json(topic_ids)}
        if self.path.exists():
            try:
                store = Store(self.path)
                if (reason := _unusable(store, wanted, bounds)) is None:
                    return store
                store.close()
            except (sqlite3.DatabaseError, ValueError) as error:
                reason = f"it is damaged ({error})"
            log.warning("the copy in %s is made anew from the topics: %s", self.path, reason)
            self.remove()
        store = Store(self.path)
        store.note({**wanted, "saved_ms": str(time.time_ns() // 1_000_000)})
        return store

    def remove(self) -> None:
        """Take the file away."""
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Let others use it."""
        self._lock.close()


def _unusable(store: Store, wanted: Mapping[str, str], bounds: Bounds) -> str | None:
    """Why a copy cannot be used; None if it can."""
    facts = store.facts()
    for name, value in wanted.items():
        if facts.get(name) != value:
            return {"form": "it is of another version", "namespace": "it is of another namespace"}.get(
                name, "the topics were made anew"
            )
    saved_ms = int(facts.get("saved_ms", "0"))
    if (age_s := time.time() - saved_ms / 1000) > OLD_S:
        return f"it is {age_s / 3600:.0f} hours old, and what was deleted meanwhile may no longer be told"
    places = store.places()
    for tp, place in places.items():
        first, end = bounds.get(tp, (0, 0))
        if not first <= place <= end:
            return f"{tp[0]}/{tp[1]} no longer has offset {place}, from which to go on"
    return None


def _json(ids: Mapping[str, str]) -> str:
    return orjson.dumps(dict(ids), option=orjson.OPT_SORT_KEYS).decode()
