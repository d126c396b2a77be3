"""Pages as they leave: a template and what it shows, all of it escaped, under a policy that lets nothing else in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from streams.api.access import BORNE, Scope
from streams.api.replies import takes_gzip
from streams.api.service import Service
from streams.contract import wording
from streams.contract.flag_wording import duration
from streams.contract.words import FlagDecision, Verdict
from streams.pages import assets
from streams.pages.sessions import COOKIE, form_key

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Cookie",
}
PACKED_FROM = 1_400


def page(service: Service, request: web.Request, template: str, status: int = 200, /, **shown: Any) -> web.Response:
    """A template as a response.

    Args:
        template: name of a file in `templates`, without its ending.
        shown: what the template shows, beside who is signed in and how old the answers are.
    """
    token = request.get(BORNE)
    common = {
        "path": request.rel_url.raw_path_qs if request.method in ("GET", "HEAD") else "/",
        "who": None if token is None else token.name,
        "may_rule": token is not None and Scope.RULE in token.scopes,
        "tokens": bool(service.settings.api_tokens_file),
        "form_key": form_key(request.cookies.get(COOKIE, "")),
        "age": age(service),
    }
    response = web.Response(
        text=templates().get_template(f"{template}.html").render(common | shown),
        status=status,
        content_type="text/html",
        headers=HEADERS,
    )
    if response.body and len(response.body) > PACKED_FROM and takes_gzip(request.headers.get("Accept-Encoding", "")):  # type: ignore[arg-type]
        response.enable_compression(web.ContentCoding.gzip)
    return response


def age(service: Service) -> tuple[str, str]:
    """How old the answers are: a word for the eye (good, slow or bad), and a sentence."""
    if (reason := service.not_ready()) is not None:
        return "bad", reason[0].upper() + reason[1:] + "."
    lag_s = service.lag_s()
    if lag_s is None:
        return "slow", "How old the answers are is not known yet."
    return ("good" if lag_s < SLOW_S else "slow" if lag_s < BAD_S else "bad"), f"Answers are {seconds(lag_s)} old."


SLOW_S, BAD_S = 30.0, 300.0
"""Ages from which answers are called slow, and bad."""


@cache
def templates() -> Environment:
    """The templates, with what they say numbers, times and links by."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: dict[str, Callable[..., str]] = {
        "share": share,
        "utc": utc,
        "part": lambda id_: quote(str(id_), safe=""),
        "link": link,
        "count": lambda number: f"{number:,.0f}",
        "nats": lambda number: f"{number:+.2f}".replace("-", "−"),
        "span": duration,
        "seconds": seconds,
    }
    made.filters |= filters
    made.globals |= {
        "asset": assets.address,
        "assessment": wording.assessment,
        "enough": wording.enough_evidence,
        "why_retracted": wording.why_retracted,
        "why_flagged": wording.why_flagged,
        "verdicts": tuple(Verdict),
        "decisions": tuple(FlagDecision),
    }
    return made


def share(value: float) -> str:
    r"""A probability for a person: no figure is ever 0 or 100 %.

    >>> share(0.314), share(0.0004), share(0.9999)
    ('31\xa0%', 'under\xa01\xa0%', 'over\xa099\xa0%')
    """
    told = "under 1 %" if value < 0.01 else "over 99 %" if value > 0.99 else f"{value:.0%}".replace("%", " %")
    return told.replace(" ", "\xa0")


def seconds(value: float) -> str:
    """A time in the unit in which people would tell it.

    >>> seconds(0.42), seconds(75)
    ('0.4 s', '75 s')
    """
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s" if value < 120 else duration(round(value * 1000))


def utc(ms: int) -> Markup:
    """A time, in UTC, for people and for programs."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%Y-%m-%d %H:%M} UTC"
    )


def link(url: str) -> Markup:
    """A link that a post brought: followed only over the web, and told to nobody; else its text."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.netloc)
    except ValueError:
        good = False
    if not good:
        return Markup("<bdi>{}</bdi>").format(url)
    return Markup('<a href="{}" rel="noopener noreferrer nofollow ugc"><bdi>{}</bdi></a>').format(url, url)
