"""Processes of a run: each gets the run's settings by its environment, and none outlives the run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil

from streams.contract.settings import Settings
from streams.demo.processes import dies_with_parent, environment
from streams.ops.idle import Standstill


def _environment(settings: Settings, **more: str) -> dict[str, str]:
    """The environment in which a child sees these settings; several of them run at once, each on any port."""
    return environment(settings.replace(metrics_port=0)) | more


def start(
    settings: Settings, module: str, *arguments: str, log: Path, checkout: Path | None = None, **more: str
) -> subprocess.Popen[bytes]:
    """A python module as a process that dies with this one; what it prints goes to the end of `log`.

    Args:
        checkout: another checkout whose version of the module it is, by what `make install` made there; None: ours.
    """
    with log.open("ab") as out:
        return subprocess.Popen(
            [str(python_of(checkout)), "-m", module, *arguments],
            cwd=checkout,
            env=_environment(settings, **more),
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            preexec_fn=dies_with_parent(),
        )


def python_of(checkout: Path | None) -> Path:
    """The Python that runs the version in a checkout; None is this one."""
    return Path(sys.executable) if checkout is None else checkout / ".venv" / "bin" / "python"


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its children have taken until now, user and system."""
    worker = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in [worker, *worker.children(recursive=True)])


@contextmanager
def running(
    settings: Settings, module: str, *arguments: str, log: Path, checkout: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A python module, as in `start`, as a process for the length of the block; killed at its end."""
    process = start(settings, module, *arguments, log=log, checkout=checkout)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class AnyVersion(Standstill):
    """Of a worker of any version, also one whose reports name no topic id: the topics of a round are made once."""

    async def _made_anew(self) -> bool:
        return False


def measured(settings: Settings, module: str, timeout_s: float, **more: str) -> tuple[int, float]:
    """Run a module that prints MEASURED, a count and seconds; both."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=_environment(settings, **more),
        stdout=subprocess.PIPE,
        timeout=timeout_s,
        check=False,
    )
    found = re.search(rb"MEASURED (\d+) ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"{module} ended with status {done.returncode} and no figures")
    return int(found[1]), float(found[2])


def answered(settings: Settings, module: str, timeout_s: float, **more: str) -> dict[str, float]:
    """Run a module that prints RESULT and a JSON object; the object."""
    command = [sys.executable, "-m", module]
    done = subprocess.run(
        command, env=_environment(settings, **more), stdout=subprocess.PIPE, timeout=timeout_s, check=False
    )
    found = re.search(rb"RESULT (.+)", done.stdout)
    if found is None:
        raise RuntimeError(f"{module} ended with status {done.returncode} and no result")
    answer: dict[str, float] = orjson.loads(found[1])
    return answer
