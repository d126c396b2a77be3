"""What a fresh container has not: a data folder, a home, a writable root. Each process starts, or says one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.contract.settings import Settings, SettingsError, folder_of
from streams.kafka import provision

pytestmark = pytest.mark.timeout(600)

# Says where this process finds the machine code of the scoring core, for one that has no home.
KEPT = {"XDG_CACHE_HOME": str(Path.home() / ".cache")} | {
    name: os.environ[name] for name in ("NUMBA_CACHE_DIR", "CREDENCE_HOME", "XDG_CACHE_HOME") if name in os.environ
}


def started(command: str, settings: Settings, tmp_path: Path, wanted: str, **environ: str) -> str:
    """Start a process with nothing but this environment, until it says what is wanted; returns what it said."""
    given = {"CREDENCE_BROKER": settings.broker, "CREDENCE_NAMESPACE": settings.namespace, **environ}
    given |= {"CREDENCE_PARTITIONS": "1", "CREDENCE_METRICS_PORT": "0", "CREDENCE_API_PORT": "0"}
    log = tmp_path / f"{command}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "streams.cli", command], env=given, stdout=out, stderr=out)
    try:
        end = time.monotonic() + 400
        while wanted not in log.read_text() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        return log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.parametrize("command", ["worker", "communities"])
def test_a_data_folder_that_is_not_there_is_made_with_its_parents(
    command: str, settings: Settings, tmp_path: Path
) -> None:
    provision.create(settings.broker, settings.replace(partitions=1))
    folder = tmp_path / "new" / "deep" / "folder"
    said = started(command, settings, tmp_path, "ready with", CREDENCE_DATA_DIR=str(folder), **KEPT)
    assert "ready with" in said
    assert "Traceback" not in said
    assert folder.is_dir()


@pytest.mark.parametrize(
    ("command", "wanted"), [("worker", "ready with"), ("communities", "ready with"), ("api", "ready")]
)
def test_without_a_home_and_a_data_folder_each_process_starts(
    command: str, wanted: str, settings: Settings, tmp_path: Path
) -> None:
    """The worker with no machine code either, which it compiles: a minute, and once is enough."""
    provision.create(settings.broker, settings.replace(partitions=1))
    kept = KEPT if command == "communities" else {}
    said = started(command, settings, tmp_path, wanted, HOME="/dev/null/none", TMPDIR=str(tmp_path), **kept)
    assert wanted in said
    assert "Traceback" not in said
    assert ("compiled code cannot be kept" in said) == (command == "worker")


@pytest.mark.parametrize("command", ["worker", "communities"])
def test_a_file_in_the_way_is_one_sentence_that_names_the_setting(
    command: str, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    said = started(command, settings, tmp_path, "error:", CREDENCE_DATA_DIR=str(tmp_path / "file" / "below"))
    assert said.startswith("error: CREDENCE_DATA_DIR is ")
    assert "a file is in the way" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")])
def test_a_folder_that_cannot_be_written_in_names_the_setting(
    error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise error

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(SettingsError, match=f"^CREDENCE_DATA_DIR is .* cannot be used: {error.strerror}"):
        folder_of("CREDENCE_DATA_DIR", tmp_path / "new" / "deep")


@pytest.mark.parametrize("arguments", [["broker", "status"], ["broker", "start"], ["worker"], ["demo", "--once"]])
def test_a_home_that_cannot_be_is_a_sentence(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CREDENCE_")}
    ran = subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        env=environ | {"CREDENCE_HOME": str(tmp_path / "file" / "below")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode in (1, 3)
    assert "Traceback" not in ran.stdout + ran.stderr
