"""Processes of a run: each gets the run's settings by its environment, and none outlives the run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from streams.contract.settings import Settings
from streams.demo.processes import dies_with_parent, environment


def _environment(settings: Settings, **more: str) -> dict[str, str]:
    """The environment in which a child sees these settings; several of them run at once, each on any port."""
    return environment(settings.replace(metrics_port=0)) | more


def start(settings: Settings, module: str, *arguments: str, log: Path, **more: str) -> subprocess.Popen[bytes]:
    """A python module as a process that dies with this one; what it prints goes to the end of `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=_environment(settings, **more),
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            preexec_fn=dies_with_parent(),
        )


@contextmanager
def running(settings: Settings, module: str, *arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A python module as a process for the length of the block; killed at its end."""
    process = start(settings, module, *arguments, log=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
