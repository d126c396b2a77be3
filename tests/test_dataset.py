"""Data sets on disk: what is read, in which order, when verdicts are due, and what is said of a broken one."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from streams.codec import Limits, decode_events, decode_rulings
from streams.csvfiles import DatasetError
from streams.dataset import Dataset, read
from streams.demo.compare import Logged

HEAD = "ts,kind,claim_id,event_id,parent_id,user_id,stance,followers,text\n"
ROWS = (
    "1400000000.5,post,c1,e1,,ana,support,10,\"First, and with a comma\"\n"
    "1400000060.25,reshare,c1,e2,e1,ben,,3,\n"
    "1400000030.0,reply,c2,e1,,cleo,deny,1,no\n"
    "1400000090.0,reply,c1,e4,e1,cleo,query,1,source?\n"
)  # fmt: skip
CLAIMS = "claim_id,label,text\nc1,false,x\nc2,true,y\nc3,true,never posted\nc4,unverified,z\n"


def write(folder: Path, events: str = HEAD + ROWS, claims: str = CLAIMS, packed: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    if packed:
        (folder / "events.csv.gz").write_bytes(gzip.compress(events.encode()))
        (folder / "claims.csv.gz").write_bytes(gzip.compress(claims.encode()))
    else:
        (folder / "events.csv").write_text(events, encoding="utf-8")
        (folder / "claims.csv").write_text(claims, encoding="utf-8")
    return folder


def records(data: Dataset) -> list[tuple[str, dict[str, object]]]:
    return [(source, orjson.loads(value)) for source, value in data.records(0, len(data))]


@pytest.mark.parametrize("packed", [False, True])
def test_rows_become_events_keyed_by_their_source(tmp_path: Path, packed: bool) -> None:
    source, event = records(read(write(tmp_path, packed=packed)))[0]
    assert source == "ana"
    assert event == {
        "v": 1,
        "id": "e1",
        "kind": "post",
        "source_id": "ana",
        "claim_id": "c1",
        "occurred_at_ms": 1_400_000_000_500,
        "stance": "support",
        "text": "First, and with a comma",
    }


def test_every_row_is_an_event_that_the_codec_takes(tmp_path: Path) -> None:
    data = read(write(tmp_path))
    logged = [Logged(i, 1_500_000_000_000, value) for i, (_, value) in enumerate(data.records(0, len(data)))]
    block, rejects = decode_events(logged, 0, Limits())
    assert (len(block), rejects) == (4, [])
    ruled, rejects = decode_rulings([Logged(0, 1_500_000_000_000, r.record()) for r in data.releases(0)], 0, Limits())
    assert (len(ruled), rejects) == (2, [])


def test_a_verdict_is_due_its_lag_after_the_claims_earliest_event(tmp_path: Path) -> None:
    due = [(r.claim_id, r.verdict, r.at_ms) for r in read(write(tmp_path)).releases(3_600_000)]
    assert due == [("c1", "false", 1_400_003_600_500), ("c2", "true", 1_400_003_630_000)]


def test_the_same_row_makes_the_same_bytes(tmp_path: Path) -> None:
    assert records(read(write(tmp_path / "a"))) == records(read(write(tmp_path / "b")))
    first, again = (read(write(tmp_path / name)).releases(0)[0].record() for name in "ab")
    assert first == again


def test_a_few_late_rows_keep_their_place_and_do_not_turn_the_clock_back(tmp_path: Path) -> None:
    rows = [f"{1400000000 + 10 * i}.0,post,c{i},e{i},,u{i},,,\n" for i in range(30)]
    late = rows[:1] + rows[2:20] + rows[1:2] + rows[20:]
    data = read(write(tmp_path, HEAD + "".join(late)))
    assert list(data.columns["id"])[19] == "e1"
    assert (data.clock_ms[1:] >= data.clock_ms[:-1]).all()


def test_a_file_in_no_order_is_put_in_order(tmp_path: Path) -> None:
    rows = [f"{1400000000 + 10 * i}.0,post,c{i},e{i},,u{i},,,\n" for i in range(20)]
    data = read(write(tmp_path, HEAD + "".join(reversed(rows))))
    assert list(data.columns["id"]) == [f"e{i}" for i in range(20)]


@pytest.mark.parametrize(
    ("events", "claims", "said"),
    [
        ("ts,kind\n1,post\n", CLAIMS, "lacks the columns claim_id, event_id, parent_id, user_id"),
        (HEAD + "yesterday,post,c,e,,u,,,\n", CLAIMS, "`ts` must be unix seconds"),
        (HEAD + "1.0,post\n", CLAIMS, "row 2: 2 fields, but the header has 9"),
        (HEAD + ROWS, "claim\nc1\n", "lacks the columns claim_id, label"),
    ],
)
def test_a_broken_set_is_refused_with_the_reason(tmp_path: Path, events: str, claims: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        read(write(tmp_path, events, claims))


def test_a_folder_without_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"neither events\.csv nor events\.csv\.gz"):
        read(tmp_path)


def test_an_empty_set_is_read(tmp_path: Path) -> None:
    data = read(write(tmp_path, HEAD, "claim_id,label\n"))
    assert (len(data), data.releases(0), list(data.records(0, 0))) == (0, [], [])
