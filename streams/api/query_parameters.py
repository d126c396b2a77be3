"""Parameters of queries, each declared once: read with bounds, refused with a sentence, described for OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from streams.api.listing import CURSOR_PATTERN, PAGE_MAX
from streams.api.problems import Problem
from streams.contract.words import CLOCK_MIN_MS, ID_CHARS_MAX, LANG_CHARS_MAX, SAFE_INTEGER_MAX

Values = dict[str, Any]
VALUES = web.RequestKey("values", dict)
"""Of a request: every declared parameter with its value, or with its default."""
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query.

    Attributes:
        name: in the query.
        doc: its sentence.
        default: what counts where it is not given; None for no default.
        bounds: of a whole number.
        words: the closed list that it is taken from.
        several: whether several words may be given, with commas between.
        pattern: that a text matches.
        example: a value for the document.
    """

    name: str
    doc: str
    default: Any = None
    bounds: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    several: bool = False
    pattern: str = ""
    example: Any = None

    def read(self, text: str) -> Any:
        """The value that a text stands for. Raises Problem (400) on one that is not allowed."""
        if self.bounds is not None:
            least, most = self.bounds
            if _WHOLE_NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
                raise Problem(400, f"{self.name} is a whole number from {least} to {most:,}")
            return int(text)
        if self.words:
            found = text.split(",") if self.several else [text]
            if not set(found) <= set(self.words) or len(set(found)) < len(found):
                amount = "some of" if self.several else "one of"
                raise Problem(400, f"{self.name} is {amount} {', '.join(self.words)}")
            return tuple(found) if self.several else text
        if re.fullmatch(self.pattern, text) is None:
            raise Problem(400, f"{self.name} is not of the form that an answer of this service or its document names")
        return text

    def described(self) -> dict[str, Any]:
        """The parameter as OpenAPI has it."""
        found = {"name": self.name, "in": "query", "required": False, "description": self.doc, "schema": self._schema()}
        if self.several:
            found |= {"style": "form", "explode": False}
        return found | ({} if self.example is None else {"example": self.example})

    def _schema(self) -> dict[str, Any]:
        default = {} if self.default is None or self.several else {"default": self.default}
        if self.bounds is not None:
            return {"type": "integer", "minimum": self.bounds[0], "maximum": self.bounds[1]} | default
        if not self.words:
            return {"type": "string", "pattern": self.pattern} | default
        word = {"type": "string", "enum": list(self.words)} | default
        return {"type": "array", "items": word, "minItems": 1, "uniqueItems": True} if self.several else word


LIMIT = Parameter("limit", "Entries of a page.", 100, (1, PAGE_MAX))
CURSOR = Parameter("cursor", "`next_cursor` of the last page; opaque.", "", pattern=CURSOR_PATTERN)
MAX_LAG = Parameter(
    "max_lag_ms",
    "Rather 503 than an older answer: input or scores may have waited this long, ms. At rest it is up to 1,500. "
    "What is written depends on no answer's age: rulings and decisions do not take it (400).",
    bounds=(0, 86_400_000),
    example=60_000,
)
PAGES = (LIMIT, CURSOR)
SORT = Parameter(
    "sort",
    "What comes first: the riskiest, or of the claims heard of within a day what is expected to grow most.",
    "risk",
    words=("risk", "growth"),
)
STATE = Parameter("state", "Open or settled by a verdict.", "any", words=("any", "open", "settled"))
FLAGGED = Parameter("flagged", "Whether a flag stands.", "any", words=("any", "yes", "no"))
LANG = Parameter(
    "lang",
    "Language tag of the root's words, as far as flags have told it.",
    pattern=rf"^[A-Za-z0-9-]{{1,{LANG_CHARS_MAX}}}$",
    example="en",
)
COMMUNITY = Parameter(
    "community",
    "Community in which most who take part say it, as far as flags have told it.",
    pattern=rf"^[^\u0000-\u001f]{{1,{ID_CHARS_MAX}}}$",
    example="harbour-board",
)
FLAG_STATE = Parameter(
    "state",
    "Standing, the most pressing first; past or any, the newest first.",
    "standing",
    words=("standing", "past", "any"),
)
RULE = Parameter(
    "rule", "`rule_id`, or its part before the slash.", pattern=r"^[!-~]{1,64}$", example="spreading-falsehood/1"
)
SINCE = Parameter(
    "since", "Only what moved then or later, ms since 1970.", bounds=(0, SAFE_INTEGER_MAX), example=CLOCK_MIN_MS
)
MIN_PRIORITY = Parameter("min_priority", "The least priority that is wanted.", 0, (0, 100))
SUBJECTS = Parameter(
    "subjects",
    "What is told; claims and flags unless said.",
    words=("claims", "sources", "communities", "flags"),
    several=True,
    example=["claims", "flags"],
)
START = Parameter(
    "start", "Where to begin without a last event's id: now, or with all there is.", "now", words=("now", "beginning")
)
LAST_EVENT_ID = Parameter(
    "last_event_id",
    "As the header `Last-Event-ID`, for callers that cannot send it.",
    "",
    pattern=r"^[a-z0-9:;.]{0,4000}$",
)


def read(request: web.Request, declared: Sequence[Parameter]) -> Values:
    """Every declared parameter with its value. Raises Problem (400) on one that is unknown, repeated or not allowed."""
    known = {parameter.name: parameter for parameter in declared}
    found: Values = {name: parameter.default for name, parameter in known.items()}
    query = request.query
    for name in query:
        if name not in known:
            raise Problem(400, f"{name!r} is no parameter here: there are {', '.join(known) or 'none'}")
        if len(query.getall(name)) > 1:
            raise Problem(400, f"{name} is given more than once")
        found[name] = known[name].read(query[name])
    return found
