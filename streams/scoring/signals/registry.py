"""The signals of the risk, each declared once: its meaning, the prior of its weight, and the sign theory gives it.

A new signal is a line here and a column in `risk.signal_matrix`. Weight, learning, ablation, explanation, flags'
reasons, the page on scores and the tests follow from the line. In shadow a signal is computed, kept in lessons and
shown, and moves nothing.

Prior weights and their standard deviations are in nats a unit of the signal. A weight that theory gives a sign stays at
or above 0: the signal can only mean "false" where it is high. `either` signals start at 0 and go where verdicts lead.
"""

from __future__ import annotations

from dataclasses import dataclass

TIGHT, LOOSE, FREE = 0.07, 0.25, 1.0  # standard deviations: a few hundred verdicts refine, inform, or decide
CHANGING = 0.97  # of nets, which turn from truth to lies when it suits them: half is forgotten after 23 verdicts


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of the risk.

    Attributes:
        name: in parameters ("risk_" + name), explanations, flags and on the page.
        weight, sd: mean and standard deviation of its weight before any verdict.
        meaning: what it hears, for people.
        either: whether its weight may take either sign.
        shadow: computed and shown, without any effect.
        untaught: its weight where verdicts teach nothing (see `skill`), if that is not `weight`: 0 for what is made of
            the records that verdicts leave.
        remember: share of what verdicts taught of its weight that is kept after one more, 1 for what does not change.
        idea: what people are told of it together with others, as one reason; its own name if "".
    """

    name: str
    weight: float
    sd: float
    meaning: str
    either: bool = False
    shadow: bool = False
    untaught: float | None = None
    remember: float = 1.0
    idea: str = ""


REGISTRY = (
    Signal("history", 0.4, TIGHT, "on which side of falsehoods all participants stood before", untaught=0.0),
    Signal("history_30", 0.4, TIGHT, "the same with a half-life of 30 days", untaught=0.0, idea="history"),
    Signal("history_60", 0.4, TIGHT, "the same with a half-life of 60 days", untaught=0.0, idea="history"),
    Signal(
        "history_known", 0.05, TIGHT, "the same, over participants with a record alone", untaught=0.0, idea="history"
    ),
    Signal("history_veterans", 0.1, TIGHT, "the same, over participants in eight settled claims or more", untaught=0.0),
    Signal("history_repliers", 0.3, TIGHT, "the same, over those who answered in words, the root apart", untaught=0.0),
    Signal("crowd_known", 0.0, 0.05, "how many have a record, whatever it says", either=True, idea="history"),
    Signal("root", 0.05, TIGHT, "the root author's own history", untaught=0.0),
    Signal("slow", 0.25, TIGHT, "a slow start over ten minutes"),
    Signal("slow_3h", 0.15, TIGHT, "a slow start over three hours", idea="slow"),
    Signal("evidence", 0.6, LOOSE, "minus the public corroboration", untaught=0.0),
    Signal("signed", 0.1, LOOSE, "stances with weights of either sign", untaught=0.0, idea="evidence"),
    Signal("vote", 0.4, LOOSE, "denials against supports, reshares apart", untaught=1.0),
    Signal("denial", 0.3, LOOSE, "the same as a ratio", untaught=1.0, idea="vote"),
    Signal("vote_unknown", 0.0, FREE, "the vote of newcomers", either=True),
    Signal(
        "net_rush", 0.0, FREE, "the vote of copy-clusters in a claim's first hour", True, remember=CHANGING, idea="nets"
    ),
    Signal("net_late", 0.0, FREE, "their vote later", either=True, remember=CHANGING, idea="nets"),
    Signal("query", 0.0, TIGHT, "share of questions among written stances", shadow=True),
    Signal("infectious", 0.0, TIGHT, "how fast it spreads at its latest event", shadow=True),
)
IDEAS = tuple(dict.fromkeys(s.idea or s.name for s in REGISTRY))
IDEA_OF = tuple(IDEAS.index(s.idea or s.name) for s in REGISTRY)
SIGNALS = tuple(s.name for s in REGISTRY)
SHADOW = frozenset(s.name for s in REGISTRY if s.shadow)
EITHER_SIGN = frozenset(s.name for s in REGISTRY if s.either)
PRIOR_WEIGHTS = tuple(s.weight for s in REGISTRY)
UNTAUGHT_WEIGHTS = tuple(s.weight if s.untaught is None else s.untaught for s in REGISTRY)
PARAMETERS = tuple(f"risk_{name}" for name in SIGNALS)
