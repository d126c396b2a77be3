"""The parameters stage: learns from verdicts, keeps signs that theory gives, and is rebuilt from its log."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from streams.scoring.parameters.mixture import Mixture
from streams.scoring.parameters.parameters_state import PUBLISH_EVERY, Learner
from streams.scoring.parameters.params import Params
from streams.scoring.signals.registry import EITHER_SIGN, PARAMETERS, PRIOR_WEIGHTS, SHADOW, SIGNALS
from streams.tables.blocks import Block

AT = SIGNALS.index("history_repliers")
NAME = f"risk_{SIGNALS[AT]}"
_numbers = count()


def lessons(
    rows: list[tuple[bool, list[float]]],
    tallies: list[list[int]] | None = None,
    highest: float = 0.0,
    weight: float = 1.0,
    claims: list[str] | None = None,
) -> Block:
    """Lessons at one hour: (false?, signals), all with the same highest alarm; then a row of tallies for each claim.

    Each is of another claim than those of all blocks before, unless the claims are given.
    """
    counts = tallies or []
    n, m = len(rows), len(counts)
    return Block("lessons", "c/0", 1, {
        "c": claims or [f"c{next(_numbers)}" for _ in range(n + m)],
        "h": np.array([1] * n + [0] * m, np.int8),
        "f": np.array([1 if false else -1 for false, _ in rows] + [1] * m, np.int8),
        "t": np.zeros(n + m, np.int64),
        "n": np.full(n + m, 20, np.int64),
        "L": np.array([-signals[AT] for _, signals in rows] + [0.0] * m),
        "A": np.array([weight] * n + [0.0] * m),
        "al": np.array([highest] * n + [0.0] * m),
        "sig": [signals for _, signals in rows] + [[]] * m,
        "rw": [[]] * n + [row + [0] * (18 - len(row)) for row in counts],
        "w": np.full(n + m, 20, np.int64),
    }, {"signals": list(SIGNALS)})  # fmt: skip


def drawn(seed: int, n: int, effect: float) -> list[tuple[bool, list[float]]]:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        signals = rng.normal(0, 1, len(SIGNALS))
        false = rng.random() < 1 / (1 + np.exp(-effect * signals[AT]))
        rows.append((bool(false), signals.tolist()))
    return rows


def test_before_any_lesson_the_defaults_stand() -> None:
    values, default = Learner().values(), Params()
    priors = dict(zip(PARAMETERS, PRIOR_WEIGHTS, strict=True))
    for name, value in values.items():
        assert value == pytest.approx(priors[name] if name in priors else getattr(default, name)), name


def test_a_signal_that_tells_gains_weight_and_one_that_misleads_goes_to_zero_not_below() -> None:
    told, misled = Learner(), Learner()
    told.apply(lessons(drawn(0, 400, 2.0)), 0)
    misled.apply(lessons(drawn(0, 400, -2.0)), 0)
    assert told.values()[NAME] > 2 * PRIOR_WEIGHTS[AT]
    assert 0.0 <= misled.values()[NAME] < 0.1 * PRIOR_WEIGHTS[AT]  # the bound lets noise lift it a little
    for name in set(SIGNALS) - EITHER_SIGN:
        assert misled.values()[f"risk_{name}"] >= 0.0
    assert all(told.values()[f"risk_{name}"] == 0.0 for name in SHADOW)


def test_where_verdicts_cannot_be_predicted_records_lose_their_weight_and_votes_are_taken_at_their_word() -> None:
    learner, rng = Learner(), np.random.default_rng(5)
    learner.apply(lessons([(bool(rng.random() < 0.5), signals) for _, signals in drawn(5, 600, 0.0)]), 0)
    values = learner.values()
    assert all(values[f"risk_{name}"] < 0.1 * PRIOR_WEIGHTS[SIGNALS.index(name)] for name in ("history", "history_30"))
    assert values["risk_slow"] == pytest.approx(PRIOR_WEIGHTS[SIGNALS.index("slow")], rel=0.1)
    assert values["risk_vote"] == pytest.approx(1.0, rel=0.1)


def test_what_only_follows_the_calendar_is_not_learned() -> None:
    net, learned = SIGNALS.index("net_late"), []
    for seed in range(12):
        learner, rng, rows = Learner(), np.random.default_rng(seed), []
        for day in np.linspace(-2, 2, 400):  # false claims become usual, and nets speak more often: two trends apart
            signals = [0.0] * len(SIGNALS)
            signals[net] = day + rng.normal(0, 1.0)
            rows.append((bool(rng.random() < 1 / (1 + np.exp(-2 * day))), signals))
        learner.apply(lessons(rows), 0)
        learned.append(learner.values()["risk_net_late"])
    assert abs(np.mean(learned)) < 0.15  # against means over all time it would be .3


def test_what_nets_do_now_outweighs_what_they_did_for_long() -> None:
    learner, rng = Learner(), np.random.default_rng(7)
    net = SIGNALS.index("net_late")

    def acts(n: int, meaning: float) -> list[tuple[bool, list[float]]]:
        rows = []
        for _ in range(n):
            signals = [0.0] * len(SIGNALS)
            signals[net] = rng.choice([-1.0, 1.0])
            rows.append((bool(rng.random() < 1 / (1 + np.exp(-meaning * signals[net]))), signals))
        return rows

    learner.apply(lessons(acts(300, 2.0)), 0)
    assert learner.values()["risk_net_late"] > 1.0
    learner.apply(lessons(acts(60, -2.0)), 0)
    assert learner.values()["risk_net_late"] < -0.1  # and not more, since the prior weights forecast better meanwhile


def test_verdicts_that_can_be_predicted_are_believed_as_far_as_what_they_taught_forecasts_better() -> None:
    learner = Learner()
    learner.apply(lessons(drawn(0, 200, 2.0)), 0)
    learned = learner.state["v"][learner.state.find([f"beta/{name}" for name in SIGNALS])]
    share = Mixture(learner.state["v"][learner.state.find(["mixture/0", "mixture/1"])]).shares[1]
    assert share > 0.9
    assert learner.values()[NAME] == pytest.approx(share * learned[AT] + (1 - share) * PRIOR_WEIGHTS[AT])


def test_a_signal_in_shadow_moves_nothing_that_is_learned() -> None:
    dark = [SIGNALS.index(name) for name in SHADOW]
    rows = drawn(0, 100, 2.0)
    other = [(false, [0.0 if i in dark else s for i, s in enumerate(signals)]) for false, signals in rows]
    lit, blind = Learner(), Learner()
    lit.apply(lessons(rows), 0)
    blind.apply(lessons(other), 0)
    assert lit.values() == blind.values()


def test_where_nobody_denies_both_coins_are_the_same_whatever_the_base_rate() -> None:
    learner = Learner()
    true_only = [
        [20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    ] * 30  # twenty newcomers support thirty true claims, no false one
    learner.apply(lessons([], true_only), 0)
    values = learner.values()
    assert values["support_true_0"] == pytest.approx(values["support_false_0"], abs=0.05)


def test_reshares_move_no_coin_and_so_leave_a_denial_its_weight() -> None:
    written = [[8, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]] * 30 + [[0, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0]] * 30
    spread = [[*row, *([90, 0] if row[0] else [0, 90]), 0, 0, 0, 0] for row in written]
    plain, shared = Learner(), Learner()
    plain.apply(lessons([], written), 0)
    shared.apply(lessons([], spread), 0)
    for name in ("support_true_0", "support_false_0"):
        assert shared.values()[name] == plain.values()[name]
    assert shared.values()["mu_0"] != plain.values()["mu_0"]


def test_newcomers_who_lie_have_coins_that_say_so() -> None:
    learner = Learner()
    liars = [[0, 16, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]] * 40  # supports of false claims, denials of true ones
    learner.apply(lessons([], liars), 0)
    values = learner.values()
    assert values["support_true_0"] < values["support_false_0"]
    assert values["mu_0"] < 0.2
    assert values["mu_2"] == Params().mu_2


def test_a_version_is_published_every_few_settled_claims_and_names_itself() -> None:
    learner = Learner()
    rows = drawn(1, PUBLISH_EVERY, 1.0)
    assert learner.apply(lessons(rows[:-1]), 0).blocks == []
    (block,) = learner.apply(lessons(rows[-1:]), 0).blocks
    assert block.kind == "params"
    assert block.meta["version"] == 1


def test_an_operators_switch_is_passed_on_and_stays() -> None:
    learner = Learner()
    learner.apply(Block("params", "", 0, {}, {"values": {"flags_paused": 1.0, "risk_slow": 0.0}}), 0)
    (block,) = learner.apply(lessons(drawn(2, PUBLISH_EVERY, 1.0)), 0).blocks
    assert block.meta["values"]["flags_paused"] == 1.0
    assert block.meta["values"]["risk_slow"] == 0.0
    assert block.meta["version"] == 2


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_lesson_that_is_not_finite_is_refused_with_a_reason_and_teaches_nothing(wrong: float) -> None:
    learner, plain = Learner(), Learner()
    good = drawn(3, 2 * PUBLISH_EVERY, 1.0)
    learner.apply(lessons(good), 0)
    plain.apply(lessons(good), 0)
    broken = lessons([(True, [wrong, *[0.0] * (len(SIGNALS) - 1)]), good[0]])
    ((row, code, detail),) = learner.apply(broken, 0).dead
    plain.apply(lessons(good[:1]), 0)
    assert (row, code) == (0, "out_of_range")
    assert SIGNALS[0] in detail
    assert learner.values() == plain.values()


def test_an_alarm_a_tally_or_a_parameter_that_is_no_number_is_refused_too() -> None:
    learner = Learner()
    (alarm,) = learner.apply(lessons(drawn(3, 1, 1.0), highest=float("nan")), 0).dead
    (tally,) = learner.apply(lessons([], [[float("inf")] * 18]), 0).dead  # type: ignore[list-item]
    effects = learner.apply(Block("params", "", 0, {}, {"values": {"risk_slow": float("nan"), "flags_paused": 1.0}}), 0)
    assert {code for _, code, _ in (alarm, tally, *effects.dead)} == {"out_of_range"}
    values = effects.blocks[0].meta["values"]
    assert values["flags_paused"] == 1.0
    assert values["risk_slow"] == Learner().values()["risk_slow"]


def test_a_base_rate_that_holds_still_is_learned_and_one_that_follows_the_calendar_is_not() -> None:
    nothing = [0.0] * len(SIGNALS)
    even, drifting = Learner(), Learner()
    even.apply(lessons([(n % 4 == 0, nothing) for n in range(400)]), 0)
    drifting.apply(lessons([(n >= 300, nothing) for n in range(400)]), 0)
    assert even.values()["risk_cal_a"] < -0.4  # ln(1/3) is -1.1
    assert abs(drifting.values()["risk_cal_a"]) < 0.1


def test_the_public_score_learns_the_base_rate_where_there_is_evidence_and_nothing_where_there_is_none() -> None:
    nothing = [0.0] * len(SIGNALS)
    checked = [(n % 4 == 0, nothing) for n in range(400)]
    told, mute = Learner(), Learner()
    told.apply(lessons(checked, weight=3.0), 0)
    mute.apply(lessons(checked, weight=0.0), 0)
    assert told.values()["score_cal_a"] == pytest.approx(np.log(3), abs=0.1)
    assert (mute.values()["score_cal_a"], mute.values()["score_cal_b"]) == (0.0, 1.0)


def test_flags_that_prove_right_too_seldom_raise_the_threshold_and_an_operator_may_want_more() -> None:
    nothing, high = [0.0] * len(SIGNALS), 2.0
    poor, good, strict = Learner(), Learner(), Learner()
    poor.apply(lessons([(n % 2 == 0, nothing) for n in range(400)], highest=high), 0)
    good.apply(lessons([(n % 10 > 0, nothing) for n in range(400)], highest=high), 0)
    strict.apply(Block("params", "", 0, {}, {"values": {"flag_precision": 0.9}}), 0)
    default = Params().flag_z
    assert good.values()["flag_z"] < default < strict.values()["flag_z"]
    assert poor.values()["flag_z"] > high


def test_a_state_that_lacks_a_signal_gives_it_its_prior_and_keeps_what_was_learned_of_the_others() -> None:
    """As after an upgrade to a release with one more signal: it began at 0, without a word."""
    taught, older = Learner(), Learner()
    taught.apply(lessons(drawn(0, 200, 2.0)), 0)
    kept = [(str(key), row) for key, row in taught.state.items() if "/vote" not in str(key)]
    rows, _ = older.state.ensure([key for key, _ in kept])
    older.state["v"][rows] = taught.state["v"][[row for _, row in kept]]
    (before, _), (after, precision) = taught._weights(), older._weights()
    for i, name in enumerate(SIGNALS):
        new = name in ("vote", "vote_unknown")
        assert after[i] == (PRIOR_WEIGHTS[i] if new else before[i]), name
    assert np.linalg.eigvalsh(precision).min() > 0
    older.apply(lessons(drawn(1, 20, 2.0)), 0)
    assert all(np.isfinite(value) for value in older.values().values())


def test_lessons_with_other_signals_are_refused_by_name_and_not_read_by_position() -> None:
    learner, block = Learner(), lessons(drawn(0, 20, 2.0))
    block.meta["signals"] = [*SIGNALS[1:], SIGNALS[0]]
    ((row, code, detail),) = learner.apply(block, 0).dead
    assert (row, code) == (0, "out_of_range")
    assert "another release" in detail
    assert len(learner.state) == 0


def test_a_tally_of_another_size_is_refused() -> None:
    block = lessons([], [[1, 0]])
    block.columns["rw"][0].append(1)
    assert [code for _, code, _ in Learner().apply(block, 0).dead] == ["out_of_range"]


def revised(claims: list[str], rows: list[tuple[bool, list[float]]], finding: int) -> Block:
    """The same lessons with another verdict: +1 false, −1 true, 0 withdrawn."""
    block = lessons(rows, claims=claims)
    block.columns["f"] = np.full(len(claims), finding, np.int8)
    return block


def named(n: int) -> list[str]:
    return [f"claim {i}" for i in range(n)]


@pytest.mark.parametrize("remembered", [4, 600])
def test_a_verdict_that_is_withdrawn_leaves_nothing_of_what_it_taught(
    monkeypatch: pytest.MonkeyPatch, remembered: int
) -> None:
    monkeypatch.setattr("streams.scoring.parameters.remembered.LESSONS", remembered)
    rows, claims, poisoned = drawn(4, 40, 1.0), named(40), [37, 39]
    learner, spared = Learner(), Learner()
    learner.apply(lessons(rows, highest=1.0, claims=claims), 0)
    learner.apply(revised([claims[i] for i in poisoned], [rows[i] for i in poisoned], 0), 0)
    left = [i for i in range(40) if i not in poisoned]
    monkeypatch.setattr("streams.scoring.parameters.remembered.LESSONS", max(remembered - len(poisoned), 2))
    spared.apply(lessons([rows[i] for i in left], highest=1.0, claims=[claims[i] for i in left]), 0)
    assert learner.values() == spared.values()


def test_a_verdict_that_turns_around_teaches_as_if_it_had_been_so_from_the_start_and_a_repeated_one_teaches_once() -> (
    None
):
    rows, claims = drawn(4, 40, 1.0), named(40)
    turned, plain = Learner(), Learner()
    turned.apply(lessons(rows, claims=claims), 0)
    turned.apply(revised(claims[5:6], rows[5:6], -1 if rows[5][0] else 1), 0)
    turned.apply(revised(claims[7:8], rows[7:8], 1 if rows[7][0] else -1), 0)
    plain.apply(lessons([*rows[:5], (not rows[5][0], rows[5][1]), *rows[6:]], claims=claims), 0)
    assert turned.values() == plain.values()


def test_a_withdrawal_counts_towards_the_next_version() -> None:
    learner, rows, claims = Learner(), drawn(1, PUBLISH_EVERY - 1, 1.0), named(PUBLISH_EVERY - 1)
    assert learner.apply(lessons(rows, claims=claims), 0).blocks == []
    assert learner.apply(revised(["never heard of"], rows[:1], 0), 0).blocks == []
    (block,) = learner.apply(revised(claims[:1], rows[:1], 0), 0).blocks
    assert block.meta["version"] == 1


def test_what_lies_before_the_lessons_that_are_remembered_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.scoring.parameters.remembered.LESSONS", 10)
    rows, claims = drawn(4, 40, 1.0), named(40)
    learner, never = Learner(), Learner()
    for each in (learner, never):
        each.apply(lessons(rows, claims=claims), 0)
    learner.apply(revised(claims[:3], rows[:3], 0), 0)
    assert learner.values() == never.values()
    assert len(learner.remembered.table) == 10
