"""Who may ask for what: bearer tokens (RFC 6750) with scopes, from a file that is read again when it changes.

A line of the file is one token: its name, its scopes, the SHA-256 of the token, and if it ends, when:

    queue-team read,rule sha256:5e88…f1 2027-01-31

The line `anybody read` lets those read who bear none. The token itself stands nowhere. It is 256 random bits, so that a
plain hash cannot be turned back by guessing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from aiohttp import web

from streams.api.problems import Problem
from streams.contract.settings import SettingsError

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between looks at whether the file has changed: a token that is taken out ends within them."""
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"
HOW_TO = "`credence api token --name NAME --scope SCOPE` makes one, and CREDENCE_API_TOKENS_FILE names their file"
_LINE = re.compile(
    rf"(?P<name>{NAME_PATTERN})\s+(?P<scopes>[a-z,]+)\s+sha256:(?P<hash>[0-9a-f]{{64}})(?:\s+(?P<end>\S+))?"
)
_BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)
_REALM = 'Bearer realm="credence"'
ANYBODY = "anybody read"
"""The line that lets those read who bear no token."""


class Scope(StrEnum):
    """What a token may be for. None includes another."""

    READ = "read"
    RULE = "rule"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the file has it; `until` is when it ends, seconds since 1970."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes
    until: float


BORNE = web.RequestKey("borne", Token)
"""Of a request that was let in: the token that it bears, if any."""


class Access:
    """Decides by the tokens of a file.

    Args:
        path: of the file; "" for none: then anybody may read, and nobody may do more.

    Raises SettingsError when there is a file and it cannot be used.
    """

    def __init__(self, path: str = "") -> None:
        self._path = Path(path) if path else None
        self._looked, self._seen = time.monotonic(), self._state()
        self._tokens: tuple[Token, ...] = ()
        self._anybody_reads = self._path is None
        if self._path is not None:
            self._take(_text(self._path))

    def who(self, authorization: str | None) -> Token | None:
        """Whose token a request bears; None where it bears none, or none is looked at.

        Args:
            authorization: the header of that name.

        Raises Problem (401) on a token that is unknown or has ended.
        """
        self._read_again()
        if self._path is None or authorization is None:
            return None
        borne = _BEARER.fullmatch(authorization)
        digest = digest_of(borne[1]) if borne else b""
        # Every line is compared, each in constant time: how long it takes says nothing.
        found = [token for token in self._tokens if hmac.compare_digest(token.digest, digest)]
        if not found or time.time() >= found[0].until:
            raise _unauthorized("the token is unknown, was taken back or has ended", 'error="invalid_token"')
        return found[0]

    def require(self, token: Token | None, scope: Scope) -> None:
        """Pass if the bearer (`who`) may do this. Raises Problem: 401 without a token, 403 without the scope."""
        if token is None and scope is Scope.READ and self._anybody_reads:
            return
        if self._path is None:
            raise Problem(403, f"this takes a token with the scope {scope}, and no tokens are set up: {HOW_TO}")
        if token is None:
            raise _unauthorized("this takes a token: send `Authorization: Bearer TOKEN`")
        if scope not in token.scopes:
            said = f'{_REALM}, error="insufficient_scope", scope="{scope}"'
            raise Problem(403, f"the token {token.name} lacks the scope {scope}", {"WWW-Authenticate": said})

    def _read_again(self) -> None:
        if self._path is None or time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        if (state := self._state()) == self._seen:
            return
        self._seen = state
        try:
            self._take(_text(self._path))
            log.info("the file of tokens was read again: %d tokens", len(self._tokens))
        except SettingsError as error:
            log.error("%s. The tokens of before stay in force until the file can be read", error)

    def _take(self, text: str) -> None:
        self._tokens = parse(text)
        self._anybody_reads = ANYBODY in _lines(text).values()

    def _state(self) -> tuple[int, ...] | None:
        """What changes when the file does, also where a secret is a link that is moved on."""
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)


def _unauthorized(detail: str, error: str = "") -> Problem:
    return Problem(401, detail, {"WWW-Authenticate": f"{_REALM}, {error}" if error else _REALM})


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def made(name: str, scopes: Iterable[Scope], until: str = "") -> tuple[str, str]:
    """A new token and its line for the file.

    Args:
        name: says in logs and records whose it is.
        scopes: at least one.
        until: ISO 8601 date or time (UTC where no offset is given) at which it ends; "" for never.

    Raises SettingsError when a name, a scope or an end makes no sense.
    """
    token = f"credence_{secrets.token_urlsafe(32)}"
    line = " ".join(filter(None, (name, ",".join(dict.fromkeys(scopes)), f"sha256:{digest_of(token).hex()}", until)))
    parse(line)
    return token, line


def parse(text: str) -> tuple[Token, ...]:
    """The tokens of a file. Raises SettingsError, which names a line and never what is in it."""
    found: dict[str, Token] = {}
    for number, said in _lines(text).items():
        if said == ANYBODY:
            continue
        token = _token(said, number)
        if token.name in found:
            raise SettingsError(f"line {number} of the tokens' file has a name that an earlier line has")
        found[token.name] = token
    return tuple(found.values())


def _lines(text: str) -> dict[int, str]:
    """What each line says, comments left out, one blank between words; those that say nothing are left out."""
    said = {n: " ".join(line.partition("#")[0].split()) for n, line in enumerate(text.splitlines(), start=1)}
    return {n: words for n, words in said.items() if words}


def _token(line: str, number: int) -> Token:
    matched = _LINE.fullmatch(line)
    if matched is None:
        raise SettingsError(
            f"line {number} of the tokens' file is neither `{ANYBODY}` nor of the form NAME SCOPES sha256:HASH "
            f"[END], with no blanks between scopes: {HOW_TO}"
        )
    try:
        scopes = frozenset(Scope(each) for each in matched["scopes"].split(","))
    except ValueError:
        raise SettingsError(
            f"line {number} of the tokens' file has a scope that is none of {', '.join(Scope)}"
        ) from None
    try:
        end = datetime.fromisoformat(matched["end"]) if matched["end"] else None
    except ValueError:
        raise SettingsError(f"line {number} of the tokens' file has an end that is no ISO 8601 date or time") from None
    if end is not None and end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    until = float("inf") if end is None else end.timestamp()
    return Token(matched["name"], scopes, bytes.fromhex(matched["hash"]), until)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"CREDENCE_API_TOKENS_FILE is {path}, which cannot be read: {reason}") from None


def caller(request: web.Request) -> str:
    """Name of the token that a request bears; "" where it bears none. For records of who did what."""
    token = request.get(BORNE)
    return "" if token is None else token.name
