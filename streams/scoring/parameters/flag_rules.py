"""The rules that raise flags, in the order in which states hold them, and what an operator may set of each.

A rule is raised, updated, retracted, paused and stopped apart from the others. One in shadow does all of it and reaches
no queue: its flags go to a topic of their own, so that an operator sees what it would have done. A new rule is one
entry here, its parameters in `params.Params`, and a new `STATE_VERSION`, since states have columns for each.
"""

from __future__ import annotations

from dataclasses import dataclass

from streams.contract.words import FLAG_RULES


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by which flags are raised.

    Attributes:
        name, version: as flags name it.
        meaning: when it raises a flag, for people.
        one, many: how its parameters are called, such as `flag_z` and `flags_paused`.
        shadow: whether its flags reach no queue.
    """

    name: str
    version: int
    meaning: str
    one: str
    many: str
    shadow: bool = False

    def parameter(self, what: str) -> str:
        """Name of one of its parameters: a key of SETTINGS."""
        return f"{self.one if SETTINGS[what] else self.many}_{what}"


# What each rule has → whether it is called by `one`.
SETTINGS = {
    "precision": True,  # share of its flags that should be right
    "z": True,  # threshold that follows from it, nats
    "paused": False,
    "killed": False,
    "an_hour": False,  # most flags that a partition raises in an hour of the stream
    "standing": False,  # most flags of a partition that stand at once
}
RULES = (
    Rule(FLAG_RULES[0], 1, "the risk is high enough for the precision wanted", "flag", "flags"),
    Rule(FLAG_RULES[1], 1, "the same with another precision, to try it", "trial", "trials", shadow=True),
)
RULE_COUNT = len(RULES)
BY_NAME = {rule.name: number for number, rule in enumerate(RULES)}
