"""Deletes and updates in the files of a data set: evaluated as if what they take back had never been said."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streams.datasets import dataset
from streams.evaluate.ours import Core
from streams.evaluate.protocol import Batch
from streams.evaluate.readers import read_cascades
from streams.ops.recount import recount_files

HOUR_MS = 3_600_000
T0 = 1_600_000_000
HEAD = "ts,kind,claim_id,event_id,parent_id,user_id,stance,text"
SAID = ["0,post,c,e1,,ana,,", "60,reply,c,e2,e1,ben,support,", "90,post,d,e4,,dan,,"]
TAKEN_BACK = [
    "30,reply,c,e3,e1,cleo,deny,", "70,delete,,e3,,cleo,,",
    "20,reply,c,e2,e1,ben,deny,", "80,update,c,e2,,ben,support,so it is",
]  # fmt: skip


def files(folder: Path, rows: list[str]) -> Path:
    folder.mkdir()
    moved = [f"{T0 + int(row.split(',')[0])},{row.split(',', 1)[1]}" for row in rows]
    (folder / "events.csv").write_text("\n".join([HEAD, *moved]) + "\n")
    (folder / "claims.csv").write_text("claim_id,label\nc,false\nd,true\n")
    return folder


def predicted(folder: Path) -> list[np.ndarray]:
    data = read_cascades(folder)
    core = Core(data)
    core.feed(Batch(data, 0, len(data), data.asserted, data.t_ms, data.kind, data.claim, data.user))
    order = np.argsort(data.claim_ids).astype(np.int32)
    return [*core.predict(order, (T0 + 3600) * 1000)]


def test_a_set_with_what_was_taken_back_is_evaluated_as_the_set_without_it(tmp_path: Path) -> None:
    clean = [SAID[0], SAID[1].replace("60,", "20,"), SAID[2]]
    corrected = files(tmp_path / "corrected", [SAID[0], SAID[2], *TAKEN_BACK])
    assert len(read_cascades(corrected)) == 4
    assert len(read_cascades(corrected).corrections) == 2
    wanted = predicted(files(tmp_path / "clean", clean))
    for one, other in zip(predicted(corrected), wanted, strict=True):
        assert np.abs(one - other).max() < 1e-9
    denied = predicted(files(tmp_path / "denied", [SAID[0], SAID[2], TAKEN_BACK[0], TAKEN_BACK[2]]))
    assert np.abs(denied[0] - wanted[0]).max() > 0.1


def test_what_is_taken_back_after_the_horizon_still_counts_at_the_horizon(tmp_path: Path) -> None:
    late = [*SAID, "30,reply,c,e3,e1,cleo,deny,", "7200,delete,,e3,,cleo,,"]
    never = [*SAID, "30,reply,c,e3,e1,cleo,deny,"]
    for one, other in zip(predicted(files(tmp_path / "l", late)), predicted(files(tmp_path / "n", never)), strict=True):
        assert np.array_equal(one, other)


def test_the_files_are_counted_and_replayed_with_what_was_taken_back(tmp_path: Path) -> None:
    folder = files(tmp_path / "set", [SAID[0], SAID[2], *TAKEN_BACK])
    counted = recount_files(folder, HOUR_MS)
    assert {claim: c.numbers for claim, c in counted.claims.items()} == {
        "c": (2, 2, 2, 0, 0, 0),
        "d": (1, 1, 1, 0, 0, 0),
    }
    assert {s: (c.events, c.right, c.wrong) for s, c in counted.sources.items()} == {
        "ana": (1, 0, 1), "ben": (1, 0, 1), "cleo": (0, 0, 0), "dan": (1, 1, 0),
    }  # fmt: skip
    data = dataset.read(folder)
    assert not data.findings.refused
    assert [record for _, record in data.records(0, len(data)) if b'"delete"' in record or b'"update"' in record]
    assert data.first_ms() == {"c": T0 * 1000, "d": (T0 + 90) * 1000}
