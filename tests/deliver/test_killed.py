"""A delivering process that is killed after its target has acted and before its place is kept: nothing counts twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.contract.settings import Settings
from streams.demo.processes import dies_with_parent, environment
from tests.deliver.flag_log import deliveries, flag, kept_up, publish, until
from tests.deliver.servers import CoopServer, Hook, MastodonServer, OzoneServer, Server

COMMANDS = {
    "coop": (CoopServer, ("--item-type", "claim", "--reporter", "credence")),
    "ozone": (OzoneServer, ("--did", "did:plc:us", "--user", "admin")),
    "mastodon": (MastodonServer, ()),
    "webhook": (Hook, ()),
}


@asynccontextmanager
async def process(settings: Settings, log: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`credence deliver …` as a process of its own; killed at the end."""
    with log.open("ab") as out:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streams.cli", "deliver", *arguments,
            env=environment(settings), stdout=out, stderr=out, preexec_fn=dies_with_parent(),
        )  # fmt: skip
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()


def counted(server: Server) -> int:
    """What a moderator would see of one flag that was raised once: 1."""
    if isinstance(server, CoopServer):
        return max(len(server.reports), len(server.items))
    if isinstance(server, OzoneServer):
        return len([kind for kind, _, _ in server.events if kind == "modEventReport"])
    if isinstance(server, MastodonServer):
        return len(server.reports)
    assert isinstance(server, Hook)
    return len(server.taken)


@pytest.mark.parametrize("name", COMMANDS)
async def test_killed_between_the_request_and_its_answer(name: str, prompt: Settings, tmp_path: Path) -> None:
    kind, options = COMMANDS[name]
    async with kind().open() as server:
        command = (name, "--url", server.url, *options)
        await publish(prompt, flag("bridge"))
        killed: list[int] = []
        async with process(prompt, tmp_path / "log", *command) as first:

            async def kill() -> None:
                # Of Coop's two requests the second is the one that would count twice.
                if not killed and (name != "coop" or server.reports):  # type: ignore[attr-defined]
                    os.kill(first.pid, signal.SIGKILL)
                    killed.append(first.pid)

            server.struck = kill
            await until(lambda: killed, "the target has acted, and the process is killed")
            await first.wait()
        assert await deliveries(prompt) == {} or (await deliveries(prompt))["bridge"].state == "in-doubt"
        tries = server.tries
        async with process(prompt, tmp_path / "log", *command) as second:
            await kept_up(prompt, name)
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0, (tmp_path / "log").read_text()
        assert server.tries > tries
        assert counted(server) == 1
        assert server.faults == []
        found = (await deliveries(prompt))["bridge"]
        assert found.state == ("in-doubt" if name == "coop" else "standing")
