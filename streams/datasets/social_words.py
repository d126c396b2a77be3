"""Names, rumours and replies for the seeded world: invented places and people, many combinations, no two alike."""

from __future__ import annotations

import numpy as np

COMMUNITIES = ("harbour", "northside", "allotments", "night-shift", "school-run", "terraces", "old-town", "commuters")

_GIVEN = (
    "ada", "amir", "ben", "carla", "chen", "dana", "diego", "elif", "emma", "farid", "gita", "hana", "igor", "ines",
    "jan", "jo", "kofi", "lars", "leila", "luca", "mara", "mei", "milo", "nadia", "nils", "noor", "olga", "omar",
    "petra", "rosa", "sam", "sofia", "tariq", "tess", "uma", "vera", "wim", "yara", "yusuf", "zoe",
)  # fmt: skip
_FAMILY = (
    "abel", "ash", "bach", "berg", "blum", "brook", "cole", "cruz", "dahl", "dune", "ek", "fell", "ford", "grey",
    "haas", "hale", "holm", "ito", "jung", "kane", "kern", "lake", "lind", "lowe", "mora", "moss", "nash", "okoro",
    "park", "pine", "quist", "reed", "rossi", "sato", "shah", "stone", "tran", "vance", "wolf", "york",
)  # fmt: skip
LONE_NAME = "ines.vale"

_PLACES = (
    "Harrow Lake", "Eastmere", "Cold Ferry", "Brindle Bridge", "Saint Orrin", "Lower Tansy", "Pellgate", "Mossfield",
    "Quarry Road", "Dunlin Quay", "Ashby Cross", "Fennick Park", "Westvale", "Old Mint Square", "Tern Island",
)  # fmt: skip
_HAPPENINGS = (
    ("water", "the tap water is contaminated and two schools have closed"),
    ("dam", "engineers found cracks in the dam and families are leaving"),
    ("bridge", "the bridge is shut after a barge struck a pillar"),
    ("hospital", "the hospital has stopped taking emergency patients"),
    ("mayor", "the mayor signed away the park to a developer last night"),
    ("outage", "the power will be cut for three days from Monday"),
    ("recall", "the bakery chain recalls its bread because of glass"),
    ("school", "the school will not reopen after the holidays"),
    ("train", "all trains are cancelled until the end of the month"),
    ("fire", "the warehouse fire released ammonia over the estate"),
    ("bank", "the savings bank limits withdrawals to fifty a day"),
    ("wolf", "a wolf pack was filmed behind the sports ground"),
    ("vaccine", "the clinic ran out of vaccine and turns people away"),
    ("strike", "ferry crews walk out tomorrow at noon"),
    ("flood", "the river gauge is broken and the flood wall is open"),
    ("stadium", "the stadium roof failed its safety inspection"),
    ("bees", "spraying killed every hive along the railway"),
    ("tax", "a new charge on wood stoves begins this week"),
    ("police", "police are looking for a white van near the playground"),
    ("factory", "the factory is moving abroad and four hundred jobs go"),
)

_OPENINGS = (
    "Just heard", "My neighbour says", "Apparently", "So it seems", "Word at work is", "Third person told me",
    "Can't believe it:", "Passing this on:", "For those who missed it:", "People at the shop say", "Not surprised,",
    "My cousin confirms",
)  # fmt: skip
_CLOSINGS = (
    "Take care everyone.", "Share before it is gone.", "Nobody talks about it.", "Stay safe.", "More when I know.",
    "Make of it what you will.", "Tell your parents.", "Was there this morning.", "Photos tonight.", "Unreal.",
    "About time we knew.", "Check on your street.",
)  # fmt: skip
_SUPPORTS = ("True, I saw it", "Same here", "Can confirm", "It's real", "Exactly this", "My street too", "Knew it")
_DENIALS = ("Not true", "That's false", "I was there, no", "Made up", "Wrong, I asked", "It is a hoax", "No. Old photo")
_QUERIES = ("Source?", "Who says so?", "Any proof?", "Is there a link?", "Since when?", "Really?")
_COMMENTS = ("Typical", "Oh no", "Here we go", "Third time now", "What a week", "Hm", "Poor kids", "lol")
_CORRECTIONS = ("I was wrong on this", "Taking this back", "Sorry, it's false", "Correction: untrue")
_STREETS = ("Mill St", "Elm Rd", "Kay Lane", "Dock 4", "Unit 7", "the hill", "gate B", "the ford", "no. 12", "Pier 2")


def people(count: int, rng: np.random.Generator) -> list[str]:
    """`count` different names in random order; none of them is LONE_NAME. Nothing in a name tells what its owner is."""
    names = [f"{given}.{family}" for given in _GIVEN for family in _FAMILY]
    rounds = count // len(names) + 1
    every = [name if k == 0 else f"{name}{k + 1}" for k in range(rounds) for name in names]
    rng.shuffle(every)
    return every[:count]


def rumours(count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """`count` pairs of (slug, text), such as ("dam-harrow-lake", "Harrow Lake: engineers found …"), in random order."""
    every = []
    for round_ in range(count // (len(_PLACES) * len(_HAPPENINGS)) + 1):
        again = "" if round_ == 0 else f" ({round_ + 1})"
        for place in _PLACES:
            for topic, text in _HAPPENINGS:
                slug = f"{topic}-{place.lower().replace(' ', '-')}" + (f"-{round_ + 1}" if round_ else "")
                every.append((slug, f"{place}: {text}{again}"))
    rng.shuffle(every)
    return every[:count]


def retold(text: str, draw: float) -> str:
    """The rumour in one's own words; `draw` in [0, 1) picks the words."""
    k = int(draw * 10**9)
    opening, closing, street = _OPENINGS[k % 12], _CLOSINGS[k // 12 % 12], _STREETS[k // 144 % 10]
    return f"{opening} {text[0].lower()}{text[1:]}, near {street} {k // 1440 % 90 + 10}. {closing}"


def reply(stance: str, draw: float, correcting: bool = False) -> str:
    """A short reply with that stance; `draw` in [0, 1) picks the words."""
    words = {"support": _SUPPORTS, "deny": _DENIALS, "query": _QUERIES}.get(stance, _COMMENTS)
    words = _CORRECTIONS if correcting else words
    k = int(draw * 10**6)
    short = words[k % len(words)]
    # Every third reply names a place, so that longer ones differ from each other.
    return f"{short}, {_STREETS[k // 7 % 10]} {k // 70 % 900 + 100}" if k % 3 == 0 else short
