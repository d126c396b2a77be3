"""The picture of an evaluation, where matplotlib is installed; where it is not, how to get it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.evaluate.evaluation import Options, evaluate
from streams.evaluate.plot import HORIZONS_MS, draw
from tests.evaluate.builders import HOUR_MS, cascades


def test_a_picture_is_written_or_its_library_is_named(tmp_path: Path) -> None:
    rows = [(c * HOUR_MS + i, "reshare", f"c{c}", f"u{i}", "") for c in range(8) for i in range(5)]
    data = cascades(rows, {f"c{c}": "false" if c % 2 else "true" for c in range(8)})
    made = evaluate(data, Options(horizons_ms=HORIZONS_MS, baselines=("majority",)))
    picture = tmp_path / "picture.png"
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(RuntimeError, match="-m pip install matplotlib"):
            draw(made, picture, [HOUR_MS])
    else:
        draw(made, picture, [HOUR_MS])
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_what_has_none_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["evaluate", "no-such-set", "--seeds", "2", "--plot", str(tmp_path / "p.png")])
    assert told.exit_code == 1
    assert "--plot draws one evaluation" in told.output
