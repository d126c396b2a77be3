"""Data sets on disk: what is read, in which order, when verdicts are due, and what is said of a broken one."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.agents.intake.careful import Limits
from streams.agents.intake.doubts import doubtful
from streams.agents.intake.events import decode_events
from streams.agents.intake.rulings import decode_rulings
from streams.contract.words import CLOCK_MIN_MS, Kind, Stance
from streams.datasets.csv_files import DatasetError
from streams.datasets.dataset import Dataset, Logged, read
from streams.datasets.findings import in_words

NOW_MS = 1_764_000_000_000
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
        (
            HEAD + "yesterday,post,c,e,,u,,,\n",
            CLAIMS,
            "1 of 1 rows are no events: wrong_type 1 .*'yesterday' is no time",
        ),
        (HEAD + "1400000000000000,post,c,e,,u,,,\n", CLAIMS, "microseconds"),
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
    assert list(in_words(data.findings.as_dict())) == []


GOOD = [f"{1400000000 + i},post,c{i},e{i},,u{i},,,text\n" for i in range(20)]
BAD = {
    "too_long": f"1400000100,post,c1,{'x' * 257},,u1,,,\n",
    "control_character": "1400000100,post,c\x001,e,,u1,,,\n",
    "absurd_clock": "3,post,c1,e,,u1,,,\n",
    "empty_id": "1400000100,post,c1,,,u1,,,\n",
    "missing_field": ",post,c1,e,,u1,,,\n",
    "wrong_type": "soon,post,c1,e,,u1,,,\n",
    "unknown_kind": "1400000100,shout,c1,e,,u1,,,\n",
    "unknown_stance": "1400000100,post,c1,e,,u1,maybe,,\n",
    "orphan": "1400000100,reply,,e,,u1,,,\n",
    "oversize": f"1400000100,post,c1,e,,u1,,,{'€' * 30_000}\n",
    "id_conflict": "1400000100,post,c1,e1,,u1,,,another text\n",
}


@pytest.mark.parametrize("code", BAD)
def test_what_the_stream_would_refuse_is_left_out_and_told_with_its_code_and_row(tmp_path: Path, code: str) -> None:
    data = read(write(tmp_path, HEAD + "".join(GOOD) + BAD[code] + BAD[code] + GOOD[0].replace("e0", "e99")))
    assert len(data) == 21
    told = orjson.loads(orjson.dumps(data.findings.as_dict()))
    assert {c: (found["rows"], found["first_row"]) for c, found in told["refused"].items()} == {
        REFUSED_AS.get(code, code): (2, 22)
    }
    assert "2 of 23 rows are refused" in " ".join(in_words(data.findings.as_dict()))
    assert data.findings.left_out == {22, 23}


REFUSED_AS = {"empty_id": "missing_field"}
"""A field that is empty in a file is absent in a record."""


def test_what_a_row_says_again_counts_once(tmp_path: Path) -> None:
    data = read(write(tmp_path, HEAD + "".join(GOOD) + GOOD[3] + GOOD[5]))
    assert (len(data), data.findings.repeats, data.findings.refused) == (22, (22, 23), {})  # the stream drops them


def test_the_same_id_of_another_source_or_claim_is_another_event(tmp_path: Path) -> None:
    again = [GOOD[3].replace("u3", "u4"), GOOD[3].replace("c3", "c4")]
    assert len(read(write(tmp_path, HEAD + "".join(GOOD + again)))) == 22


def test_a_text_that_is_cut_is_no_refusal(tmp_path: Path) -> None:
    data = read(write(tmp_path, HEAD + "".join(GOOD) + f"1400000100,post,c1,e,,u1,,,{'x' * 10_001}\n"))
    assert (len(data), data.findings.refused, data.findings.mended) == (21, {}, {"cut": 1})
    assert "Texts of rows that count are mended, as the stream mends them: cut 1." in in_words(data.findings.as_dict())


def test_a_post_without_a_claim_starts_one(tmp_path: Path) -> None:
    data = read(write(tmp_path, HEAD + "".join(GOOD) + "1400000100,post,,own,,u1,,,\n"))
    assert data.columns["claim_id"][-1] == "own"


def test_a_row_refused_for_its_clock_moves_no_verdict(tmp_path: Path) -> None:
    data = read(write(tmp_path, HEAD + "".join(GOOD) + BAD["absurd_clock"], "claim_id,label\nc1,true\n"))
    assert [release.at_ms for release in data.releases(0)] == [1_400_000_001_000]


def test_a_file_of_which_most_rows_are_no_events_is_refused_with_codes_and_rows(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"2 of 3 rows are no events: too_long 2 \(first: row 3: field id: 257 char"):
        read(write(tmp_path, HEAD + GOOD[0] + BAD["too_long"] + BAD["too_long"].replace("xxx", "yxx")))


@settings(max_examples=300)
@given(st.data())
def test_a_row_that_is_beyond_doubt_is_taken_by_the_codec(drawn: st.DataObject) -> None:
    """The quick look may doubt too much; it must never let pass what the intake refuses."""
    anything = st.one_of(st.sampled_from(["", "e1", "x" * 256, "x" * 257]), st.text(max_size=5))
    fields = dict.fromkeys(("id", "claim_id", "parent_id", "source_id", "community_id", "url", "lang"), anything)
    fields |= {"text": st.sampled_from(["", "a", "€" * 9_999, "\x01" * 10_001, "\x01" * 9_999, "\u2028"])}
    fields |= {"kind": st.sampled_from([*Kind, "", "shout"]), "stance": st.sampled_from([*Stance, "", "maybe"])}
    columns = {name: [drawn.draw(cell)] for name, cell in fields.items()}
    t_ms = np.array([drawn.draw(st.sampled_from([0, CLOCK_MIN_MS - 1, CLOCK_MIN_MS, NOW_MS, NOW_MS + 86_400_001]))])
    assume(not any("\ud800" <= c <= "\udfff" for (cell,) in columns.values() for c in cell))
    (value,) = (value for _, value in Dataset("x", t_ms, columns, {}).records(0, 1))
    if not doubtful(columns, t_ms, NOW_MS, Limits())[0]:
        assert decode_events([Logged(0, NOW_MS, value)], 0, Limits())[1] == []


@pytest.mark.parametrize(
    "written",
    [
        ("1400000000.5", "1400000060"), ("1400000000500", "1400000060000"),
        ("2014-05-13T16:53:20.5Z", "2014-05-13 18:54:20+02:00"), ("2014-05-13T16:53:20.500", "2014-05-13T16:54:20"),
    ],
)  # fmt: skip
def test_times_are_seconds_milliseconds_or_iso_8601(tmp_path: Path, written: tuple[str, str]) -> None:
    rows = "".join(f"{ts},post,c{i},e{i},,u{i},,,\n" for i, ts in enumerate(written))
    assert read(write(tmp_path, HEAD + rows)).t_ms.tolist() == [1_400_000_000_500, 1_400_000_060_000]


@pytest.mark.parametrize("other", ["1400000000123", "2014-05-13T16:53:20Z"])
def test_times_in_two_units_are_an_error_that_names_a_row_of_each(tmp_path: Path, other: str) -> None:
    rows = "".join(GOOD) + GOOD[0].replace("1400000000", other)
    with pytest.raises(DatasetError, match=rf"`ts` mixes seconds \(row 2: 1400000000\) and .*\(row 22: {other}\)"):
        read(write(tmp_path, HEAD + rows))


def test_a_time_that_makes_no_sense_in_the_files_unit_is_refused_alone(tmp_path: Path) -> None:
    """Nought, say, is no sign that the file is in another unit."""
    rows = [row.replace("1400000", "1400000000", 1) for row in GOOD]  # milliseconds
    data = read(write(tmp_path, HEAD + "".join(rows).replace("1400000000003,", "0,")))
    assert (len(data), data.findings.as_dict()["refused"]["absurd_clock"]["first_row"]) == (19, 5)
