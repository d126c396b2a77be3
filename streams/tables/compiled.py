"""Compiled loops: how a plain Python function over arrays and records becomes machine code, and where that is kept.

`@compiled` marks a function that numba translates. It says what it does in plain Python, and runs as such (slowly) with
NUMBA_DISABLE_JIT=1. Compiling takes a second a function, so machine code is kept between starts: in NUMBA_CACHE_DIR if
that is set, else below CREDENCE_HOME, else in the user's cache. There is a folder for each state of the sources,
version of numba and make of CPU (NUMBA_CPU_NAME=generic: any). An edit anywhere in the rooms with compiled functions
begins a new one, for what a function calls in another file is compiled into it.

Failure modes: a folder that cannot be written to is used as a temporary copy; without any, everything is compiled anew
at every start. Both are said on stderr.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding
import numba
import numba.extending
import numpy as np
import xxhash

Function = TypeVar("Function", bound=Callable[..., Any])
INTERPRETED = bool(numba.config.DISABLE_JIT)  # functions run as plain Python
_STREAMS = Path(__file__).parent.parent
_ROOMS = ("tables", "scoring", "contract")
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
_FORMER = 4  # folders of former sources that stay, for whoever goes back and forth


def compiled(function: Function) -> Function:
    """Translate the function when it is first called with arguments of some types; kept for the next start.

    A division by zero gives infinity, as numpy's does; sums keep their order, so that results are the same everywhere.
    The function makes no arrays: its caller does. Then nothing in it counts references to arrays, which took a hundred
    times as long as what the loops do.
    """
    kept_in()
    return cast(Function, numba.njit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """The same for a short function that compiled ones call: it becomes part of each of them.

    Tables are many arrays; a call that hands them over costs more than what most functions do with them.
    """
    kept_in()
    return cast(Function, numba.njit(**_OPTIONS, forceinline=True)(function))


def part_of_loops(function: Callable[..., Any]) -> Callable[[Callable[..., Callable[..., Any]]], Any]:
    """Say how compiled loops call a plain Python function: the marked one returns what is compiled in its place."""
    options = {name: value for name, value in _OPTIONS.items() if name != "cache"}  # it is kept with who calls it
    marked: Any = numba.extending.overload(function, jit_options=options, strict=False)
    return cast(Callable[[Callable[..., Callable[..., Any]]], Any], marked)


@cache
def kept_in() -> Path:
    """The folder of the machine code of these very sources, which numba is told of; made if it can be."""
    if INTERPRETED:
        np.seterr(over="ignore")  # hashes wrap around, as they do in machine code
        return Path()
    folder = _base() / _digest()
    numba.config.CACHE_DIR = str(folder if _writable(folder) else _copy(folder))
    return Path(numba.config.CACHE_DIR)


def anything_kept() -> bool:
    """Whether there is machine code of these sources for this machine, so that a start is quick."""
    return INTERPRETED or any(kept_in().rglob("*.nbc"))


def _base() -> Path:
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given).expanduser() / "credence"
    if given := os.environ.get("CREDENCE_HOME"):
        return Path(given).expanduser() / "compiled"
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base).expanduser() if base else Path.home() / ".cache") / "credence" / "compiled"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"credence-compiled-{os.getuid()}"


def _digest() -> str:
    digest = xxhash.xxh3_64(f"{numba.__version__} {numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()}")
    for path in sorted(path for room in _ROOMS for path in (_STREAMS / room).rglob("*.py")):
        digest.update(str(path.relative_to(_STREAMS)).encode() + path.read_bytes())
    return digest.hexdigest()


def _writable(folder: Path) -> bool:
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            _forget_former(folder.parent)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _forget_former(base: Path) -> None:
    former = sorted((folder for folder in base.iterdir() if folder.is_dir()), key=lambda folder: folder.stat().st_mtime)
    for folder in former[: -_FORMER - 1]:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(folder: Path) -> Path:
    """A temporary copy of a folder that cannot be written to, which numba insists on; empty if there is none."""
    copy = Path(tempfile.mkdtemp(prefix="credence-compiled-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    if folder.is_dir():
        shutil.copytree(folder, copy, dirs_exist_ok=True)
    else:
        print(
            f"credence: compiled code cannot be kept in {folder}, so that every start compiles for a minute. "
            "Set CREDENCE_HOME to a folder that can be written to",
            file=sys.stderr,
        )
    return copy
