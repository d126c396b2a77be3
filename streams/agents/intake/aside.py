"""The intake's decoding in a process of its own: it needs no state, and took a third of the worker's Python thread.

The process is a child of the worker. It reads requests from its standard input and writes results to its standard
output, one after the other. When the worker ends, however that happens, the pipe ends, and then the child.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any

from streams.agents.intake.translation import Translation, translate
from streams.contract.settings import Settings
from streams.contract.topics import Topic
from streams.engine.fetched import Fetch
from streams.engine.sending import ProduceFailed

PATIENCE_S = 5.0
PIPE_BYTES = 1 << 20  # the most that Linux gives to any process
YIELDS = 5  # niceness: the rest of the worker has more to do
GC_THRESHOLD = 200_000  # decoded rows come and go by the ten thousand, without cycles
_SIZE = struct.Struct("<Q")


class Aside:
    """The worker's end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def start(self) -> None:
        """Start the child; it is ready when it first answers."""
        command = [sys.executable, "-m", "streams.agents.intake.aside"]
        # By default a pipe holds 64 KiB, and a fetch of 4 MiB would be passed on in 64 pieces.
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=PIPE_BYTES)
        _send(self._child.stdin, self._settings)

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return None if self._child is None else self._child.pid

    async def translate(self, source: Topic, topic_id: str, partition: int, fetch: Fetch) -> Translation:
        """`translation.translate` of the fetch's records, in the child. Raises ProduceFailed if that is gone."""
        return await asyncio.to_thread(self._exchange, source, topic_id, partition, fetch)

    def _exchange(self, source: Topic, topic_id: str, partition: int, fetch: Fetch) -> Translation:
        """Send a request and read its answer, without Python's lock, so that other stages go on meanwhile."""
        with self._one_at_a_time:
            try:
                if self._child is None:
                    raise EOFError
                _send(self._child.stdin, (source, topic_id, partition, fetch))
                answer: Translation = _receive(self._child.stdout)
            except (OSError, EOFError) as error:
                raise ProduceFailed("the process that decodes for the intake is gone") from error
        return answer

    def stop(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is None or child.stdin is None:
            return
        with suppress(OSError):  # it may be gone, with something unsent
            child.stdin.close()
        try:
            child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _send(pipe: IO[bytes] | None, message: Any) -> None:
    assert pipe is not None
    packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    pipe.write(_SIZE.pack(len(packed)))
    pipe.write(packed)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> Any:
    assert pipe is not None
    head = pipe.read(_SIZE.size)
    if len(head) < _SIZE.size:
        raise EOFError
    (size,) = _SIZE.unpack(head)
    return pickle.loads(pipe.read(size))  # from our own child, or our own parent


def serve() -> None:
    """The child: translate until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to answer
    os.nice(YIELDS)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        settings: Settings = _receive(requests)
        while True:
            source, topic_id, partition, fetch = _receive(requests)
            _send(answers, translate(settings, source, topic_id, partition, fetch.records()))
    except (EOFError, BrokenPipeError):
        return


if __name__ == "__main__":
    serve()
