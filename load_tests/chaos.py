"""Faults during a replay, then the question whether anything was lost or counted twice.

Workers are real processes on a real broker. A fault is a kill -9, a stop (SIGSTOP) that outlasts the session and then
wakes up, a worker that joins or leaves, or a broker that is killed and started again. A worker that ends itself is
started again under its name, as any supervisor would. Or an input gets more partitions, and the replay uses them at
once.
"""

from __future__ import annotations

import asyncio
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from load_tests.bench.children import start
from load_tests.operator import cut, ends, publish_again, remake, unread
from streams.broker.embedded import Broker
from streams.contract import topics
from streams.contract.settings import Settings
from streams.datasets.dataset import read
from streams.kafka import provision
from streams.kafka.admin import Admin
from streams.ops.idle import wait_idle
from streams.ops.replay import GROWN_MS, Replay, ReplayStatus
from streams.ops.verify import Report, verify

KINDS = ("kill", "freeze", "join", "leave", "broker", "repartition", "recreate", "truncate")
# Faults that take events away which the platform has to publish again: the inputs are not whole afterwards.
ROBBERIES = ("recreate", "truncate")
ENDED_ITSELF = 70
READY = re.compile(rb"ready with (?!no partition)")
# A starved machine takes its time; a replay gives up later than this.
READY_PATIENCE_S = 120.0
# A fault hits within this share of the events behind its moment: what lies further on is held back until it has.
SLACK = 0.05
# A zombie must be gone this long after it wakes.
ZOMBIE_PATIENCE_S = 30.0

Say = Callable[[str], None]


class ChaosError(RuntimeError):
    """A run that could not be brought to its end. The message says why, and what to look at."""


@dataclass
class Outcome:
    """What happened.

    Attributes:
        faults: how many of each kind were injected.
        zombies: stopped workers that woke up, and ended themselves.
        survivors: stopped workers that woke up, and did not; must be 0.
        restarts: workers that the supervisor had to start again.
        late: faults that found every event published already; must be 0.
        seconds: of the whole replay.
        report: what `verify` found afterwards.
    """

    faults: Counter[str] = field(default_factory=Counter)
    zombies: int = 0
    survivors: int = 0
    restarts: int = 0
    late: int = 0
    seconds: float = 0.0
    report: Report = field(default_factory=Report)

    def passed(self) -> bool:
        """Whether nothing was lost or counted twice, no zombie went on, and every fault came while there was work.

        Where the inputs were robbed, `verify` must say so.
        """
        robbed = any(self.faults[kind] for kind in ROBBERIES)
        exact = self.report.agrees and self.report.complete != robbed
        return exact and not self.survivors and not self.late


class Crew:
    """The workers, under supervision."""

    def __init__(self, settings: Settings, logs: Path, outcome: Outcome) -> None:
        self._settings = settings
        self._logs = logs
        self._printed: dict[str, int] = {}  # length of a worker's log when it was last started
        self._outcome = outcome
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._frozen: set[str] = set()
        self._hired = 0

    def join(self) -> str:
        """Start one more worker; its name."""
        self._hired += 1
        name = f"worker-{self._hired}"
        self._start(name)
        return name

    def look_after_communities(self) -> None:
        """Start the communities stage; faults meet it like any worker."""
        self._start("communities")

    def _start(self, name: str) -> None:
        log = self._logs / f"{name}.log"
        self._printed[name] = log.stat().st_size if log.exists() else 0
        self._workers[name] = start(
            self._settings,
            "streams.cli",
            name.split("-")[0],
            "--log-level",
            "info",
            "--instance-id",
            name,
            log=log,
        )

    def names(self) -> list[str]:
        """Workers that are not stopped."""
        return [name for name in self._workers if name not in self._frozen]

    def workers(self) -> list[str]:
        """The same without the communities stage."""
        return [name for name in self.names() if name != "communities"]

    def supervise(self) -> None:
        """Start those again that have ended."""
        for name in self.names():
            if self._workers[name].poll() is not None:
                self._outcome.restarts += 1
                self._start(name)

    def kill(self, name: str) -> None:
        """kill -9, and start it again at once."""
        self._workers[name].kill()
        self._workers[name].wait()
        self._start(name)

    def leave(self, name: str) -> None:
        """Ask it to end, for good."""
        worker = self._workers.pop(name)
        worker.terminate()
        worker.wait(60)

    async def ready(self, name: str, patience_s: float = READY_PATIENCE_S) -> None:
        """Wait until a worker owns partitions. Raises ChaosError, with what it said last, if it never does."""
        log = self._logs / f"{name}.log"
        end = time.monotonic() + patience_s
        while not READY.search(said := log.read_bytes()[self._printed.get(name, 0) :]):
            if time.monotonic() > end:
                last = "\n".join(said.decode(errors="replace").splitlines()[-5:]) or "nothing"
                raise ChaosError(
                    f"{name} owned no partition within {patience_s:.0f} s. Either the machine is too busy (try again "
                    f"when it is not) or it cannot start; it said:\n{last}"
                )
            self.supervise()
            await asyncio.sleep(0.2)

    async def freeze(self, name: str, seconds: float) -> None:
        """Stop it for longer than its session lasts, wake it up, and see whether it ends itself."""
        worker = self._workers[name]
        self._frozen.add(name)
        worker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        worker.send_signal(signal.SIGCONT)
        try:
            status = await asyncio.to_thread(worker.wait, ZOMBIE_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._outcome.survivors += 1
            worker.kill()
            status = worker.wait()
        self._outcome.zombies += status == ENDED_ITSELF
        self._frozen.discard(name)
        self._start(name)

    def disband(self) -> None:
        """Kill all that is left."""
        for worker in self._workers.values():
            worker.kill()
            worker.wait()


class Chaos:
    """One replay under faults.

    Args:
        settings: with the broker filled in; a namespace without data.
        files, lag_ms: the data set to replay, and when its verdicts are due.
        logs: folder for what the workers print, a file each.
        broker: the broker, if faults may hit it.
        say: is told of each fault.
    """

    def __init__(
        self,
        settings: Settings,
        files: Path,
        lag_ms: int,
        logs: Path,
        broker: Broker | None = None,
        say: Say = lambda sentence: None,
    ) -> None:
        # Brokers refuse sessions below 6 s.
        self._settings = settings.replace(session_timeout_ms=6_000, verdict_lag_ms=lag_ms)
        self._files, self._data, self._broker, self._say = files, read(files), broker, say
        self._status = ReplayStatus()
        self.outcome = Outcome()
        self._crew = Crew(self._settings, logs, self.outcome)
        self._allowed = len(self._data)

    async def run(self, faults: Sequence[str], seed: int = 0, workers: int = 1) -> Outcome:
        """Replay with these faults at random moments, each while events are still to come; then verify.

        Raises ChaosError when a worker does not come up.
        """
        await asyncio.to_thread(provision.create, self._settings.broker, self._settings)
        began = time.perf_counter()
        try:
            self._crew.look_after_communities()
            for _ in range(workers):
                self._crew.join()
            replay = asyncio.create_task(self._replay())
            await self._inject(faults, random.Random(seed), replay)
            while not replay.done():
                self._crew.supervise()
                await asyncio.sleep(0.2)
            await replay
            await wait_idle(self._settings)
            await asyncio.sleep(2.0)  # the stages publish what they held back once nothing more comes
            await wait_idle(self._settings)
            self.outcome.seconds = time.perf_counter() - began
        finally:
            self._crew.disband()
        self.outcome.report = await verify(self._settings, files=self._files)
        return self.outcome

    async def _replay(self) -> None:
        def note(status: ReplayStatus) -> None:
            self._status = status

        await Replay(
            self._settings, self._data, self._settings.verdict_lag_ms, on_status=note, stall_s=180.0,
            allowed=lambda: self._allowed,
        ).run()  # fmt: skip

    async def _inject(self, faults: Iterable[str], rng: random.Random, replay: asyncio.Task[None]) -> None:
        planned = list(faults)
        moments = [*sorted(rng.uniform(0.02, 0.9) for _ in planned), 1.0]
        self._hold(moments[0])
        for kind, moment, following in zip(planned, moments[:-1], moments[1:], strict=True):
            while not replay.done() and self._status.events < int(moment * len(self._data)):
                self._crew.supervise()
                await asyncio.sleep(0.02)
            await asyncio.sleep(rng.uniform(0.0, 1.0))
            self._say(f"{kind} after {self._status.events:,} of {len(self._data):,} events")
            self.outcome.faults[kind] += 1
            self.outcome.late += self._status.events >= len(self._data)
            victim = rng.choice(self._crew.names())
            if kind == "freeze":
                await self._crew.ready(victim)
            self._hold(following)  # what goes on meanwhile, up to the next fault, is what the fault may disturb
            await self._fault(kind, victim, rng)

    def _hold(self, moment: float) -> None:
        """Let no more be published than what a fault at this moment may come too late for."""
        self._allowed = max(1, int(min(1.0, moment + SLACK) * len(self._data)))

    async def _fault(self, kind: str, name: str, rng: random.Random) -> None:
        crew = self._crew
        if kind == "kill":
            crew.kill(name)
        elif kind == "freeze":
            await crew.freeze(name, self._settings.session_timeout_ms / 1000 + 3.0)
        elif kind == "join":
            crew.join()
        elif kind == "leave":
            if len(crew.workers()) < 2:
                crew.join()
            await asyncio.to_thread(crew.leave, rng.choice(crew.workers()))
        elif kind == "repartition":
            await self._repartition(rng)
        elif kind in ROBBERIES:
            await self._rob(kind, name, rng)
        elif kind == "broker" and self._broker is not None:
            await asyncio.to_thread(self._broker.kill)
            await asyncio.sleep(rng.uniform(0.0, 2.0))
            await asyncio.to_thread(self._broker.start)

    async def _repartition(self, rng: random.Random) -> None:
        """Give an input one to three partitions more; publish nothing until the replay knows of them."""
        allowed, self._allowed = self._allowed, 0

        def grow() -> None:
            (state,) = provision.states(self._settings.broker, self._settings, [rng.choice(topics.INPUTS)])
            with Admin(self._settings.broker, self._settings) as admin:
                admin.grow(state.name, state.partitions + rng.randint(1, 3))

        await asyncio.to_thread(grow)
        await asyncio.sleep(2 * GROWN_MS / 1000)
        self._allowed = allowed

    async def _rob(self, kind: str, name: str, rng: random.Random) -> None:
        """Take the events topic away, or a part of it, and publish again what no worker had read of it.

        Half the time a worker is down meanwhile. What it has read by the time that the topic goes comes twice, and is
        to count once.
        """
        if rng.random() < 0.5:
            self._crew.kill(name)
            await asyncio.sleep(rng.uniform(0.0, 1.0))
        allowed, self._allowed = self._allowed, 0
        await self._published()
        robbed = await unread(self._settings, topics.EVENTS)
        if kind == "recreate":
            await asyncio.to_thread(remake, self._settings, topics.EVENTS)
        else:
            until = {p: rng.randint(min(1, end), end) for p, end in (await self._ends()).items()}
            robbed = [record for record in robbed if record.offset < until[record.partition]]
            await asyncio.to_thread(cut, self._settings, topics.EVENTS, until)
        self._say(f"{len(robbed):,} events went unread, and are published again")
        await publish_again(self._settings, robbed)
        self._allowed = allowed

    async def _published(self) -> None:
        """Wait until all that was handed to Kafka is there: nothing more comes for a second."""
        before: dict[int, int] = {}
        while before != (before := await self._ends()):
            await asyncio.sleep(1.0)

    async def _ends(self) -> dict[int, int]:
        return await asyncio.to_thread(ends, self._settings, topics.EVENTS)
