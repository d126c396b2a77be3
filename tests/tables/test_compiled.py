"""Machine code is kept, found again, and never in the way: by processes of their own, as workers start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.tables import compiled

# Finds a key in a table, and says whether that had to be compiled, and where it is kept.
FIND = """
from streams.tables import compiled, index
from streams.tables.table import Table
table = Table("t", {"n": "i8"}, integers=True)
assert table.find([5]).tolist() == [-1]
print(compiled.anything_kept(), sum(index.find_all.stats.cache_hits.values()), compiled.kept_in())
"""


def run(home: Path, **environment: str) -> tuple[list[str], str]:
    """Words and errors of a process that looks something up in a table."""
    ours = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    given = {**ours, "CREDENCE_HOME": str(home), **environment}
    done = subprocess.run([sys.executable, "-c", FIND], env=given, capture_output=True, text=True, check=True)
    return done.stdout.split(), done.stderr


def test_machine_code_is_kept_for_the_next_start(tmp_path: Path) -> None:
    assert run(tmp_path) == (["True", "0", str(next((tmp_path / "compiled").iterdir()))], "")
    assert run(tmp_path)[0][:2] == ["True", "1"]


def test_of_another_make_of_cpu_there_is_machine_code_of_its_own(tmp_path: Path) -> None:
    folder = run(tmp_path)[0][2]
    assert run(tmp_path, NUMBA_CPU_NAME="generic")[0][2] != folder


def test_a_folder_of_numba_s_own_setting_holds_the_code_of_each_state_of_the_sources_apart(tmp_path: Path) -> None:
    usual = Path(run(tmp_path)[0][2])
    (_, _, folder), _ = run(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert folder == str(tmp_path / "numba" / "credence" / usual.name)


def test_without_a_folder_to_write_to_a_sentence_says_so_and_all_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (_, hits, _), said = run(tmp_path / "file")
    assert hits == "0"
    assert "compiled code cannot be kept in" in said
    assert "CREDENCE_HOME" in said


def test_a_folder_that_cannot_be_written_to_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Path(run(tmp_path)[0][2])
    copy = compiled._copy(kept)
    assert {path.name for path in copy.rglob("*.nbc")} == {path.name for path in kept.rglob("*.nbc")}


def test_the_loops_run_as_plain_python_as_well() -> None:
    """A small set of the same tests: recovery, cuts, credits."""
    small = ["tests/tables/test_table.py", "tests/scoring/test_settlement.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *small]
    done = subprocess.run(command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
