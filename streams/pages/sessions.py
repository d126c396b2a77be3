"""Who looks at a page: the token that a person signed in with, in a cookie that only pages read.

No script can read the cookie, and a browser sends it along with no request that another site began. A form that writes
something carries a key that follows from the token: no other site knows it.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, quote

from aiohttp import web

from streams.api import asked
from streams.api.access import Scope
from streams.api.gate import GATE
from streams.api.problems import Problem

COOKIE = "credence_token"
SESSION_S = 12 * 3_600
"""A working day: after it a person signs in again."""
FIELDS_MAX = 20


def borne(request: web.Request) -> str | None:
    """What a request for a page bears, as the header Authorization would say it."""
    token = request.cookies.get(COOKIE)
    return None if not token else f"Bearer {token}"


def form_key(token: str) -> str:
    """What a form carries of somebody signed in with this token; it gives nothing of the token away."""
    return hmac.new(token.encode(), b"a form of Credence", hashlib.sha256).hexdigest() if token else ""


async def form(request: web.Request) -> dict[str, str]:
    """The fields of a form that a page of ours sent. Raises Problem (400, 403).

    A field that was left empty is absent.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(400, "this takes a form")
    try:
        fields = parse_qs((await asked.body(request)).decode(), strict_parsing=True, max_num_fields=FIELDS_MAX)
    except (ValueError, UnicodeDecodeError):
        raise Problem(400, "the form cannot be read") from None
    if not _from_here(request):
        raise Problem(403, "the form was sent by another site")
    return {name: values[-1] for name, values in fields.items()}


async def signed_form(request: web.Request) -> dict[str, str]:
    """The fields of a form of somebody who is signed in. Raises Problem (400, 403)."""
    fields = await form(request)
    expected = form_key(request.cookies.get(COOKIE, ""))
    if not expected or not hmac.compare_digest(fields.get("form_key", "").encode(), expected.encode()):
        raise Problem(403, "the form is not one of your session: load the page again, and send it from there")
    return fields


def _from_here(request: web.Request) -> bool:
    """Whether a browser says that a page of ours sent this, or nothing of where it comes from."""
    said = request.headers.get("Sec-Fetch-Site")
    if said is not None:
        return said in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def came_from_elsewhere(request: web.Request) -> bool:
    """Whether a link of another site led here: then the browser kept the cookie back, and sends it when asked again."""
    said = request.headers.get("Sec-Fetch-Site", "")
    return request.method == "GET" and COOKIE not in request.cookies and said in ("cross-site", "same-site")


def local(address: str) -> str:
    """The address if it is one of this site, else the front page.

    >>> local("/queue?state=past"), local("//elsewhere.example/"), local("https://elsewhere.example/")
    ('/queue?state=past', '/', '/')
    """
    inside = address.startswith("/") and address[1:2] not in ("/", "\\") and address.isprintable()
    return address if inside else "/"


def sign_in_first(request: web.Request) -> web.Response:
    """Where somebody is sent who has to sign in."""
    back = request.rel_url.raw_path_qs if request.method in ("GET", "HEAD") else "/"
    return moved(f"/sign-in?next={quote(back, safe='')}")


def moved(address: str) -> web.Response:
    """On to another page of this site."""
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


def signed_in(request: web.Request, token: str, back: str) -> web.Response:
    """Let somebody in by a token, and on to a page. Raises Problem where the token is wrong or may not read."""
    request.app[GATE].let_in(request, Scope.READ, f"Bearer {token}")
    response = moved(local(back))
    secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(COOKIE, token, max_age=SESSION_S, path="/", httponly=True, samesite="Strict", secure=secure)
    return response


def signed_out() -> web.Response:
    """Forget who somebody is, and back to the front page."""
    response = moved("/")
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response
