"""A Prometheus beside a run: started where it is installed, with our rules, and ended with the run."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from streams.broker import guard
from streams.broker.machine import free_port
from streams.watching.rules import groups
from streams.watching.samples import NotThereError, ask

INSTALL = "apt-get install prometheus"
READY_S = 60.0


class NoPrometheusError(RuntimeError):
    """There is no Prometheus, or it does not start. The message says what to do."""


def installed() -> bool:
    """Whether it is on the path."""
    return shutil.which("prometheus") is not None


@contextlib.contextmanager
def beside(folder: Path, targets: Mapping[str, str], every_s: float = 1.0, by: float = 1.0) -> Iterator[str]:
    """Run one while the block runs; yields its address.

    Args:
        folder: an empty one, for its configuration and its data.
        targets: job → host:port to scrape; a job's name begins with "credence-".
        every_s: between two scrapes, and two evaluations of the rules.
        by: divides the windows of the rules, so that a run of minutes stands for hours.

    Raises:
        NoPrometheusError: it is not installed, or does not come up.
    """
    if not installed():
        raise NoPrometheusError(f"Prometheus is not installed: {INSTALL}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.json").write_bytes(orjson.dumps(groups(by, every_s)))
    config = {
        "global": {
            "scrape_interval": f"{round(every_s * 1000)}ms",
            "evaluation_interval": f"{round(every_s * 1000)}ms",
        },
        "rule_files": ["rules.json"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_bytes(orjson.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [
                "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(guard.__file__)), str(os.getpid()), str(process.pid)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
    )  # fmt: skip
    try:
        _await_ready(f"http://{address}", process, folder / "log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()
        watcher.kill()
        watcher.wait()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(NotThereError):
            ask(url + "/-/ready")
            return
        if process.poll() is not None or time.monotonic() > end:
            said = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise NoPrometheusError(f"Prometheus does not come up; it says:\n{said}")
        time.sleep(0.1)
