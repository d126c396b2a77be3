"""The plain count over the files of a data set."""

from __future__ import annotations

from pathlib import Path

from streams.ops.recount import _read, recount_files

HOUR_MS = 3_600_000
ROWS = """ts,kind,claim_id,event_id,parent_id,user_id,stance
0,post,c,e1,,ana,
10,reshare,c,e2,e1,ben,
10,reshare,c,e2,e1,ben,
20,reply,c,e3,e1,cleo,query
30,reply,c,e4,e1,ben,deny
3600,reply,c,e5,e1,ben,support
40,post,d,e1,,ana,
"""


def test_each_event_counts_once_and_the_last_stance_before_the_verdict_is_right_or_wrong(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(ROWS)
    (tmp_path / "claims.csv").write_text("claim_id,label\nc,False\nd,unverified\nghost,true\n")
    counted = recount_files(tmp_path, HOUR_MS)
    assert {c: (n.events, sorted(n.participants)) for c, n in counted.claims.items()} == {
        "c": (5, ["ana", "ben", "cleo"]),
        "d": (1, ["ana"]),
    }
    assert {s: (n.events, len(n.claims), n.right, n.wrong) for s, n in counted.sources.items()} == {
        "ana": (2, 2, 0, 1),
        "ben": (3, 1, 1, 0),
        "cleo": (1, 1, 0, 0),
    }


def test_the_second_path_reads_whatever_counts() -> None:
    """What intake mends, or does not look at, is no event less here."""
    texts = (rb'"\ud83d"', b'"\xff"', b'{"deep": [7]}', b"9" * 5_000, b'"' + b"x" * 20_000 + b'"')
    for text in texts:
        assert _read(b'{"id": "e1", "text": ' + text + b"}")["id"] == "e1"


def test_rows_that_are_left_out_are_not_counted_and_times_and_labels_may_be_written_otherwise(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "ts,kind,claim_id,event_id,parent_id,user_id\n"
        "2014-05-13T16:53:20Z,post,c,e1,,ana\n3,post,c,e1,,\n2014-05-13T18:53:21+02:00,post,,own,,ben\n"
    )
    (tmp_path / "claims.csv").write_text("claim_id,label\nc,1\nown,hoax\n")
    counted = recount_files(tmp_path, HOUR_MS, {3}, {"1": "true"})
    assert {c: n.events for c, n in counted.claims.items()} == {"c": 1, "own": 1}
    assert {s: (n.right, n.wrong) for s, n in counted.sources.items()} == {"ana": (1, 0), "ben": (0, 1)}
