"""The copy that a query service keeps: it goes on where it stopped, and is made anew, with a word, where it must be."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from streams.api import history_points
from streams.api.kept_copy import OLD_S, KeptCopy
from streams.api.published import Entry
from streams.api.service import FOLLOWED
from streams.api.store import Store
from streams.contract.settings import Settings, SettingsError
from streams.contract.topics import CLAIM_SCORES, SOURCE_SCORES
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import claim, flag, publish

TP = (CLAIM_SCORES.base, 0)
BOUNDS = {TP: (0, 10)}
IDS = {CLAIM_SCORES.base: "0a1b2c3d"}


def settings(folder: Path, namespace: str = "") -> Settings:
    return Settings(broker="127.0.0.1:1", data_dir=str(folder), namespace=namespace)


def filled(folder: Path, place: int = 7) -> None:
    """A copy with a claim, whose topic is read up to a place."""
    import orjson

    kept = KeptCopy(settings(folder))
    store = kept.opened(IDS, BOUNDS)
    store.apply([Entry(CLAIM_SCORES, 0, 6, 0, "a", orjson.dumps(claim("a")))], {TP: place})
    store.close()
    kept.close()


def reopened(folder: Path, namespace: str = "", ids: dict[str, str] = IDS) -> Store:
    kept = KeptCopy(settings(folder, namespace))
    try:
        return kept.opened(ids, BOUNDS)
    finally:
        kept.close()


def test_a_copy_goes_on_where_it_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(tmp_path)
    store = reopened(tmp_path)
    assert (store.claim("a"), store.places()) == (claim("a"), {TP: 7})
    assert [point["version"] for point in store.history("a")] == [1]
    assert not caplog.records


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("UPDATE facts SET value = '0' WHERE name = 'form'", "another version"),
        ("UPDATE facts SET value = 'theirs.' WHERE name = 'namespace'", "another namespace"),
        ("UPDATE facts SET value = '{}' WHERE name = 'topics'", "made anew"),
        (f"UPDATE facts SET value = value - {OLD_S * 1000:.0f} WHERE name = 'saved_ms'", "hours old"),
        ("UPDATE facts SET value = 'x' WHERE name = 'saved_ms'", "damaged"),
        ("UPDATE places SET next = 11", "no longer has offset 11"),
        ("DROP TABLE facts", "another version"),
    ],
)
def test_a_copy_that_cannot_be_used_is_made_anew_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sql: str, word: str
) -> None:
    filled(tmp_path)
    (file,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(file) as db:
        db.execute(sql)
    store = reopened(tmp_path)
    assert (store.claim("a"), store.places()) == (None, {})
    assert word in caplog.text
    store.close()
    assert reopened(tmp_path).facts()["namespace"] == ""


@pytest.mark.parametrize("damage", [b"no database", b""])
def test_a_file_that_is_no_database_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    filled(tmp_path)
    (file,) = tmp_path.glob("*.sqlite")
    file.write_bytes(damage * 1_000)
    for beside in tmp_path.glob("*-wal"):
        beside.unlink()
    assert reopened(tmp_path).places() == {}
    assert "made anew" in caplog.text


def test_two_services_do_not_share_a_copy(tmp_path: Path) -> None:
    kept = KeptCopy(settings(tmp_path))
    with pytest.raises(SettingsError, match="own folder"):
        KeptCopy(settings(tmp_path))
    KeptCopy(settings(tmp_path, "other.")).close()
    kept.close()
    KeptCopy(settings(tmp_path)).close()


def test_a_file_that_breaks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    import orjson

    store = Store(tmp_path / "scores.sqlite")
    for n in range(200):
        record = claim(f"c{n}", core_version="x" * 900)
        store.apply([Entry(CLAIM_SCORES, 0, n, 0, f"c{n}", orjson.dumps(record))], {TP: n})
    store.close()
    whole = (tmp_path / "scores.sqlite").read_bytes()
    (tmp_path / "scores.sqlite").write_bytes(whole[:8_192] + b"\xff" * (len(whole) - 8_192))
    store = Store(tmp_path / "scores.sqlite")
    with pytest.raises(sqlite3.DatabaseError):
        [store.claim(f"c{n}") for n in range(200)]
    assert store.damaged


def test_a_service_that_was_killed_goes_on_from_its_copy_and_keeps_histories(broker: str, tmp_path: Path) -> None:
    installation = Settings(broker=broker, namespace=f"kept{uuid.uuid4().hex[:8]}.", partitions=2)
    provision.create(broker, installation)
    publish(installation, [claim("a", version=n, as_of_ms=1_000 * n, risk=n / 10) for n in range(1, 6)])
    publish(installation, [flag("f", "a"), flag("f", "a", revision=2, action="retract")])
    environ = {"CREDENCE_DATA_DIR": str(tmp_path), "CREDENCE_PARTITIONS": "2"}
    api = Api(installation, **environ)
    api.becomes("/v1/claims/a/history", lambda status, b: status == 200 and len(b["points"]) == 5)
    api.becomes("/v1/flags/f", lambda status, b: status == 200 and b["revision"] == 2)
    second = subprocess.run(
        [sys.executable, "-c", "from streams.cli.api import api; api()", "--port", "0"],
        env=environ | {"CREDENCE_BROKER": broker, "CREDENCE_NAMESPACE": installation.namespace},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (second.returncode, "own folder" in second.stderr) == (1, True)
    api.process.kill()
    api.end()
    # What the topic no longer tells is still known; what came meanwhile is heard of, and deletions too.
    publish(installation, [claim("a", version=6, as_of_ms=6_000, verdict="false", flagged=True), claim("b")])
    api = Api(installation, **environ)
    try:
        found = api.becomes("/v1/claims/a/history", lambda status, b: status == 200 and len(b["points"]) == 6)
        assert [point["version"] for point in found["points"]] == [1, 2, 3, 4, 5, 6]
        assert (found["points"][-1]["verdict"], found["points"][-1]["flagged"]) == ("false", True)
        assert [(each["revision"], each["action"]) for each in found["flags"]] == [(1, "raise"), (2, "retract")]
        assert "made anew" not in api.said
        publish(installation, [(CLAIM_SCORES, "a", None), (SOURCE_SCORES, "nobody", None)])
        api.becomes("/v1/claims/a/history", lambda status, _: status == 404)
    finally:
        assert api.end() == 0


def test_a_service_whose_topics_are_made_anew_ends_and_the_next_start_reads_the_new_ones(
    broker: str, tmp_path: Path
) -> None:
    installation = Settings(broker=broker, namespace=f"anew{uuid.uuid4().hex[:8]}.", partitions=1)
    environ = {"CREDENCE_DATA_DIR": str(tmp_path), "CREDENCE_PARTITIONS": "1"}
    provision.create(broker, installation, FOLLOWED)
    publish(installation, [claim("before")])
    api = Api(installation, **environ)
    api.becomes("/v1/claims/before", lambda status, _: status == 200)
    provision.delete(broker, installation)
    provision.create(broker, installation, FOLLOWED)
    publish(installation, [claim("after")])
    assert api.process.wait(120) == 1
    api.end()
    assert "was made anew" in api.said
    api = Api(installation, **environ)
    try:
        api.becomes("/v1/claims/after", lambda status, _: status == 200)
        api.becomes("/v1/claims/before", lambda status, _: status == 404)
        assert "the topics were made anew" in api.said
    finally:
        assert api.end() == 0


def test_a_point_has_the_interval_of_the_risk_where_the_record_has_one() -> None:
    new = claim("a", risk_low=0.7, risk_high=0.9)
    old, told = history_points.read(history_points.point_of(claim("a")) + history_points.point_of(new))
    assert (old["risk"], old["risk_low"], old["risk_high"]) == (0.8, None, None)
    assert (told["risk"], told["risk_low"], told["risk_high"]) == (0.8, 0.7, 0.9)


def test_a_history_keeps_its_ends_and_what_a_flag_or_a_verdict_changed() -> None:
    record = claim("a")
    points = b""
    for n in range(5_000):
        changed = {"version": n, "as_of_ms": n, "flagged": 700 <= n < 710}
        points = history_points.lengthened(points, history_points.point_of(record | changed))
    found = history_points.read(points)
    assert len(found) <= history_points.POINTS_MAX
    versions = [point["version"] for point in found]
    assert versions == sorted(versions)
    assert versions[-50:] == list(range(4_950, 5_000))
    assert {0, 700, 710} <= set(versions)
