"""`credence top` says what the processes' own pages say."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

from streams.cli.top import report
from streams.contract import metrics
from streams.watching.samples import NotThereError, Samples, ask, of_processes

SERVE = """
import sys
from streams.contract import metrics
from streams.agents.publish import monitor
from streams.scoring.census import Census
metrics.begin(metrics.Role.WORKER)
monitor.counted("claims", 9, [Census(7, (4, 2, 1, 0))])
metrics.FLAGS_RULED.at("risk-cascade", "false").inc(3)
metrics.FLAGS_RULED.at("risk-cascade", "true").inc()
print(metrics.SERVED.over_http("127.0.0.1", 0), flush=True)
sys.stdin.read()
"""


def test_it_tells_what_a_worker_serves_and_names_who_does_not_answer() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port = int(process.stdout.readline())
        urls = [f"http://127.0.0.1:{port}/metrics", "http://127.0.0.1:1/metrics"]
        command = [sys.executable, "-m", "streams.cli", "top", *urls, "--json", "--every", "0.2"]
        ran = subprocess.run(command, capture_output=True, text=True)
        process.stdin.close()
    assert ran.returncode == 0, ran.stderr
    told = orjson.loads(ran.stdout)
    assert told["claims"]["open"] == 7
    assert [told["claims"][f"rising {growth}"] for growth in metrics.GROWTHS] == [4, 2, 1, 0]
    assert told["flags"]["right, of those ruled on"] == 0.75
    assert set(told["processes"]) == {f"127.0.0.1:{port}"}
    assert "http://127.0.0.1:1/metrics" in told["trouble"]["no answer"]


def test_nobody_there_is_an_error_that_names_the_address() -> None:
    with pytest.raises(NotThereError, match=r"127\.0\.0\.1:1/metrics"):
        ask("http://127.0.0.1:1/metrics")
    command = [sys.executable, "-m", "streams.cli", "top", "http://127.0.0.1:1/metrics", "--once"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, "does not answer" in ran.stderr) == (1, True)
    assert of_processes(["http://127.0.0.1:1/metrics"]).silent


def test_shares_and_rates_are_of_the_time_between_two_looks() -> None:
    before, now = Samples(), Samples()
    for samples, rows, waiting, score in ((before, 100, 5.0, 5.0), (now, 300, 8.0, 6.0)):
        samples.add("credence_records_total", {"stage": "claims"}, rows)
        samples.add("credence_rows_total", {"stage": "claims"}, rows)
        samples.add("credence_stage_seconds_total", {"stage": "claims", "work": "waiting"}, waiting)
        samples.add("credence_stage_seconds_total", {"stage": "claims", "work": "score"}, score)
    stage = report(before, now, 2.0)["stage claims"]
    assert (stage["rows/s"], stage["waiting"], stage["score"]) == (100.0, "75%", "25%")
