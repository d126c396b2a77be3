"""The example of a queue keeps its word: repeats change nothing, a crash loses nothing, a retraction takes it out."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from streams.contract.settings import Settings
from streams.contract.topics import FLAGS
from streams.demo.processes import dies_with_parent
from tests.deliver.flag_log import flag, publish, until
from tests.house.rooms import ROOT


@asynccontextmanager
async def queue(settings: Settings, file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The example, running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples" / "queue.py"), "--broker", settings.broker, "--file", str(file),
        "--topic", FLAGS.name(settings), "--group", f"{settings.namespace}queue", preexec_fn=dies_with_parent(),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def rows(file: Path, columns: str) -> list[Any]:
    if not file.exists():
        return []
    store = sqlite3.connect(file)
    try:
        return store.execute(f"select {columns} from flags order by flag_id").fetchall()
    except sqlite3.OperationalError:  # not made yet, or just being written
        return []
    finally:
        store.close()


async def test_the_queue_holds_what_stands(prompt: Settings, tmp_path: Path) -> None:
    file = tmp_path / "queue.db"
    first = flag("bridge")
    await publish(prompt, first, flag("ferry"), first)
    async with queue(prompt, file) as process:
        await until(lambda: len(rows(file, "flag_id")) == 2, "two flags")
        process.kill()
    assert rows(file, "claim_id, standing, text, why") == [
        ("bridge", 1, "They say that bridge", "its people spread lies"),
        ("ferry", 1, "They say that ferry", "its people spread lies"),
    ]
    await publish(prompt, flag("bridge", 2, "update", 90), flag("ferry", 2, "retract"), flag("ferry"), flag("mill"))
    async with queue(prompt, file) as process:
        stands = [("bridge", 1, 90), ("ferry", 0, 0), ("mill", 1, 70)]
        await until(lambda: rows(file, "claim_id, standing, priority") == stands, "what stands now")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert rows(file, "claim_id, standing, priority") == stands
