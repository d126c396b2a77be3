"""Start, find and stop one Apache Kafka node: the lifecycle, kept in a folder so that any process can take it up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from streams.broker import server_properties as config
from streams.broker.artifacts import Runtime, Say, ensure, file_lock
from streams.broker.errors import BrokerError
from streams.broker.machine import PORTS, answers, available_memory_mb, free_port, is_free

DEFAULT_PORT = 9092
START_DISK_BYTES = 256 * 1024**2
# What the JVM needs beside its heap; measured 320 MB resident with a heap of 512 MB, mostly outside it when idle.
BESIDE_HEAP_MB = 200
# One node on a developer's machine lives for minutes. What the optimising compiler costs in that time (2 µs of CPU an
# event, on cores that the worker needs) never comes back: most of a broker's work is the kernel's.
COMPILER_FLAGS = ("-XX:TieredStopAtLevel=1",)


@dataclass(frozen=True)
class Status:
    """A broker as it is now. `bootstrap` is "" where it never ran."""

    running: bool
    bootstrap: str
    pid: int | None
    data: str
    log: str
    started_at_ms: int | None
    start_s: float | None = None
    """Seconds from start to the first answer; None when this call did not start it."""

    def as_dict(self) -> dict[str, object]:
        """The same as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Plan:
    flags: Sequence[str]
    cached: bool
    patience_s: float
    owner_pid: int | None
    extra: Mapping[str, str]


class Broker:
    """One node in one folder: its data, its log and a note of the process that runs it."""

    def __init__(self, folder: Path, *, preferred_port: int | None = None, runtime: Runtime | None = None) -> None:
        self.folder = folder.expanduser().absolute()
        self.data = self.folder / "data"
        self.log = self.folder / "kafka.log"
        self._config = self.folder / "server.properties"
        self._note = self.folder / "broker.json"
        self._preferred_port = preferred_port
        self._runtime = runtime
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port of the running broker. Raises BrokerError when it does not run."""
        status = self.status()
        if not status.running:
            raise BrokerError(f"the broker of {self.folder} is not running: start it with `credence broker start`")
        return status.bootstrap

    def status(self) -> Status:
        """Look up whether it runs, and where."""
        note = self._read_note()
        running = self._process(note) is not None
        return Status(
            running=running,
            bootstrap=str(note.get("bootstrap", "")),
            pid=int(note["pid"]) if running else None,
            data=str(self.data),
            log=str(self.log),
            started_at_ms=int(note["started_at_ms"]) if running else None,
        )

    def start(
        self,
        *,
        port: int | None = None,
        heap_mb: int = 512,
        patience_s: float = 90.0,
        owner_pid: int | None = None,
        extra: Mapping[str, str] | None = None,
        jvm_flags: Sequence[str] = (),
        say: Say = lambda sentence: None,
    ) -> Status:
        """Start it, wait until it answers, and return where; a running one is returned as it is.

        port: this one or an error; without it the last one, else the preferred one, else any that is free.
        owner_pid: end the broker when this process ends. extra: lines of server.properties that replace ours.
        Raises BrokerError: no memory, disk, network or port, or Kafka itself refused; the message says what to do.
        """
        try:
            with file_lock(self.folder / ".lock"):
                if (status := self.status()).running:
                    return self._taken_up(status, patience_s)
                runtime = self._runtime or ensure(say)
                self._check_machine(heap_mb)
                self._prepare_data(runtime)
                began = time.monotonic()
                flags = (f"-Xmx{heap_mb}m", f"-Xms{min(heap_mb, 256)}m", *COMPILER_FLAGS, *jvm_flags)
                plan = _Plan(flags, not jvm_flags, patience_s, owner_pid, extra or {})
                for attempt in range(3):
                    chosen = self._choose_port(port, attempt)
                    if self._launch(runtime, chosen, plan):
                        break
                else:
                    raise BrokerError(
                        f"no port between {PORTS.start} and {PORTS.stop} could be listened on; see {self.log}"
                    )
                return replace(self.status(), start_s=round(time.monotonic() - began, 3))
        except OSError as error:
            raise BrokerError(
                f"could not use {self.folder}: {error}. Check its disk and rights, or set CREDENCE_HOME"
            ) from error

    def stop(self, *, patience_s: float = 20.0) -> bool:
        """End it: SIGTERM, and SIGKILL after `patience_s`. Returns whether one was running. Its data stays."""
        process = self._process(self._read_note())
        if process is None:
            return False
        try:
            process.terminate()
            self._await_end(process, patience_s)
        except psutil.TimeoutExpired:
            self.kill()
        except psutil.NoSuchProcess:
            pass
        return True

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would; what it had acknowledged is kept by the operating system."""
        if (process := self._process(self._read_note())) is not None:
            try:
                process.kill()
                self._await_end(process, 10.0)
            except psutil.NoSuchProcess:
                pass

    def _await_end(self, process: psutil.Process, patience_s: float) -> None:
        if self._child is not None and self._child.pid == process.pid:
            try:
                self._child.wait(patience_s)
            except subprocess.TimeoutExpired as late:
                raise psutil.TimeoutExpired(patience_s, process.pid) from late
        else:
            process.wait(patience_s)

    def _read_note(self) -> dict[str, str]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return note if isinstance(note, dict) else {}
        except (OSError, ValueError):  # not there, or not ours to read: then it is not ours to run either
            return {}

    def _process(self, note: Mapping[str, str]) -> psutil.Process | None:
        """The process of the note, if it lives and is ours: process ids are used again."""
        if "pid" not in note:
            return None
        if self._child is not None and self._child.pid == int(note["pid"]):
            self._child.poll()
        try:
            process = psutil.Process(int(note["pid"]))
            if process.status() == psutil.STATUS_ZOMBIE or str(self._config) not in process.cmdline():
                return None
            return process
        except psutil.Error:
            return None

    def _check_machine(self, heap_mb: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(self.folder).free) < START_DISK_BYTES:
            raise BrokerError(
                f"{self.folder} has {free >> 20} MB of disk left and the broker needs {START_DISK_BYTES >> 20} MB: "
                "make room, or set CREDENCE_HOME to a folder on another disk"
            )
        if (memory := available_memory_mb()) < heap_mb + BESIDE_HEAP_MB:
            raise BrokerError(
                f"the broker needs {heap_mb + BESIDE_HEAP_MB} MB of memory and {memory} MB are available: "
                "end something large, give it less (`credence broker start --heap-mb 256`), or use another Kafka: "
                "CREDENCE_BROKER=host:port"
            )

    def _prepare_data(self, runtime: Runtime) -> None:
        if (self.data / "meta.properties").exists():
            return
        fresh = self.folder / "data.partial"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(runtime.template, fresh)
        (fresh / "meta.properties").write_text(config.identity(config.new_id()), encoding="utf-8")
        shutil.rmtree(self.data, ignore_errors=True)
        fresh.rename(self.data)

    def _choose_port(self, asked: int | None, attempt: int) -> int:
        if asked is not None:
            if not is_free(asked):
                raise BrokerError(
                    f"port {asked} is taken: leave --port out to have one chosen, or end what listens there"
                )
            return asked
        last = self._read_note().get("bootstrap", "").rpartition(":")[2]
        wishes = [int(last)] if last.isdigit() else []
        wishes += [self._preferred_port] if self._preferred_port else []
        if attempt == 0:
            for wish in wishes:
                if is_free(wish):
                    return wish
        return free_port()

    def _launch(self, runtime: Runtime, port: int, plan: _Plan) -> bool:
        """Run it on `port` and wait for its first answer. False: somebody took the port in between."""
        self._config.write_text(config.properties(self.data, port, free_port(), plan.extra), encoding="utf-8")
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        quiet = "-Dorg.slf4j.simpleLogger."
        logging = (
            f"{quiet}defaultLogLevel=warn",
            f"{quiet}showDateTime=true",
            f"{quiet}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        )
        command = [
            *runtime.command(*plan.flags, *logging, "-XX:+ExitOnOutOfMemoryError", cached=plan.cached),
            "kafka.Kafka",
            str(self._config),
        ]
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal must not end the broker before the clients have finished.
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        if plan.owner_pid is not None:
            self._guard(plan.owner_pid)
        note = {"pid": self._child.pid, "bootstrap": f"{config.HOST}:{port}", "started_at_ms": int(time.time() * 1000)}
        fresh = self._note.with_suffix(".partial")
        fresh.write_text(json.dumps(note), encoding="utf-8")
        fresh.replace(self._note)
        return self._await_answer(self._child, port, plan.patience_s)

    def _await_answer(self, child: subprocess.Popen[bytes], port: int, patience_s: float) -> bool:
        try:
            end = time.monotonic() + patience_s
            while time.monotonic() < end:
                if child.poll() is not None:
                    if "Address already in use" in self.log.read_text(encoding="utf-8", errors="replace"):
                        return False
                    raise BrokerError(
                        f"Apache Kafka ended with status {child.returncode} while starting; {self.log} ends with:\n"
                        + self._tail()
                    )
                if answers(port):
                    return True
                time.sleep(0.05)
            raise BrokerError(
                f"Apache Kafka did not answer within {patience_s:.0f} s; {self.log} ends with:\n{self._tail()}"
            )
        except BaseException:
            # Also on Ctrl-C: a half-started broker is nobody's.
            if child.poll() is None:
                child.kill()
                child.wait()
            raise

    def _taken_up(self, status: Status, patience_s: float) -> Status:
        """A process runs already, perhaps started a moment ago by somebody who was killed: it must answer too."""
        end = time.monotonic() + patience_s
        while not answers(int(status.bootstrap.rpartition(":")[2])):
            if time.monotonic() > end or not self.status().running:
                raise BrokerError(
                    f"the broker's process {status.pid} does not answer on {status.bootstrap}: `credence broker stop`, "
                    f"then start it again; {self.log} ends with:\n{self._tail()}"
                )
            time.sleep(0.1)
        return status

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])

    def _guard(self, owner_pid: int) -> None:
        assert self._child is not None
        script = Path(__file__).with_name("guard.py")
        subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(owner_pid), str(self._child.pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
