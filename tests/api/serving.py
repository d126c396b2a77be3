"""A running `credence api`, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import Any

from streams.contract.settings import Settings


class Api:
    """A running `credence api`."""

    def __init__(
        self, settings: Settings, code: str = "from streams.cli.api import api; api()", port: str = "0", **environ: str
    ) -> None:
        environ |= {"CREDENCE_BROKER": settings.broker, "CREDENCE_NAMESPACE": settings.namespace}
        # Compiled code is kept where this process keeps it, or a first explanation would compile for minutes.
        environ |= {name: os.environ[name] for name in ("HOME", "NUMBA_CACHE_DIR") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--port", port], env=environ, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.said = ""
        while "answering on " not in (line := self.process.stderr.readline()):
            assert line, self.said  # it has ended
            self.said += line
        self.url = line.split()[2]
        # Read on, or the service stops when the pipe is full.
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def get(self, path: str) -> tuple[int, Any, str]:
        """Status, body (parsed where it is JSON) and content type."""
        status, body, headers = self.ask(path)
        return status, json.loads(body) if "json" in headers["Content-Type"] else body.decode(), headers["Content-Type"]

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, Message]:
        """Status, body and headers; underscores in names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, method=method, data=body, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def becomes(self, path: str, wanted: Callable[[int, Any], bool], within_s: float = 20.0) -> Any:
        """Ask until the answer is as wanted."""
        end = time.monotonic() + within_s
        while True:
            status, body, _ = self.get(path)
            if wanted(status, body):
                return body
            assert time.monotonic() < end, (path, status, body)
            time.sleep(0.05)

    def end(self) -> int:
        """Stop it as a supervisor does; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        finally:
            self.process.kill()
            self._listening.join()
            assert self.process.stderr is not None
            self.process.stderr.close()
