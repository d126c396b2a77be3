"""Who may ask: tokens, scopes, rates and origins, at a real service; and nothing of a token in what it says."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.api import access
from streams.api.access import Access, Scope, made, parse
from streams.api.problems import Problem
from streams.api.rates import Rates
from streams.api.routes import ROUTES
from streams.cli.main import app
from streams.contract.settings import Settings, SettingsError
from streams.kafka import provision
from tests.api.serving import Api
from tests.scores import claim, publish

PATH = "/v1/claims/a"


@pytest.fixture
def installation(settings: Settings) -> Settings:
    """An installation with one claim."""
    provision.create(settings.broker, settings)
    publish(settings, [claim("a")])
    return settings


class Served:
    """A service whose tokens are in a file."""

    def __init__(self, installation: Settings, folder: Path, **environ: str) -> None:
        self.file = folder / "tokens"
        self.tokens: dict[str, str] = {}
        lines = ["# tokens", ""]
        for name, scopes, until in (
            ("reader", (Scope.READ,), ""),
            ("desk", (Scope.READ, Scope.RULE), "2199-01-01"),
            ("writer", (Scope.RULE,), ""),
            ("former", (Scope.READ,), "2020-01-01T00:00:00+02:00"),
        ):
            self.tokens[name], line = made(name, scopes, until)
            lines.append(line)
        self.file.write_text("\n".join(lines))
        self.api = Api(installation, CREDENCE_API_TOKENS_FILE=str(self.file), **environ)
        self.api.becomes("/readyz", lambda status, _: status == 200)

    def get(self, name: str, path: str = PATH) -> tuple[int, dict[str, object], str | None]:
        """Status, body and WWW-Authenticate, asked with the token of that name."""
        status, body, headers = self.api.ask(path, Authorization=f"Bearer {self.tokens.get(name, name)}")
        return status, json.loads(body), headers["WWW-Authenticate"]


@pytest.fixture
def served(installation: Settings, tmp_path: Path) -> Iterator[Served]:
    """A service with tokens, which at its end has said nothing of them."""
    running = Served(installation, tmp_path)
    yield running
    assert running.api.end() == 0
    for token in running.tokens.values():
        assert token not in running.api.said
        assert access.digest_of(token).hex() not in running.api.said
    assert "credence_" not in running.api.said
    assert "Traceback" not in running.api.said


def test_a_line_lets_anybody_read_and_nobody_rule(tmp_path: Path) -> None:
    token, line = made("desk", (Scope.RULE,))
    (tmp_path / "tokens").write_text(f"anybody  read  # from inside\n{line}\n")
    access = Access(str(tmp_path / "tokens"))
    access.require(access.who(None), Scope.READ)
    access.require(access.who(f"Bearer {token}"), Scope.RULE)
    with pytest.raises(Problem) as refused:
        access.require(access.who(None), Scope.RULE)
    assert refused.value.status == 401
    with pytest.raises(Problem) as unknown:
        access.who("Bearer credence_unknown")
    assert unknown.value.status == 401


def test_nobody_reads_without_a_token_once_the_line_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOOK_S", 0.0)
    file = tmp_path / "tokens"
    file.write_text(f"{access.ANYBODY}\n{made('desk', (Scope.RULE,))[1]}\n")
    asked = Access(str(file))
    asked.require(asked.who(None), Scope.READ)
    file.write_text(made("desk", (Scope.RULE,))[1] + "\n")
    with pytest.raises(Problem):
        asked.require(asked.who(None), Scope.READ)


def test_a_token_with_the_scope_is_let_in_and_others_are_told_what_is_wrong(served: Served) -> None:
    for name in ("reader", "desk"):
        assert served.get(name)[0] == 200
    for name in ("former", "credence_guessed", "x"):
        status, problem, said = served.get(name)
        assert (status, problem["status"]) == (401, 401)
        assert said is not None
        assert 'error="invalid_token"' in said
    status, problem, said = served.get("writer")
    assert status == 403
    assert "writer lacks the scope read" in str(problem["detail"])
    assert said == 'Bearer realm="credence", error="insufficient_scope", scope="read"'
    status, _, headers = served.api.ask(PATH)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="credence"')
    basic = served.api.ask(PATH, Authorization="Basic eDp5")
    assert basic[0] == 401


@pytest.mark.parametrize("path", ["/v1/rulings", "/v1/decisions"])
def test_what_is_written_depends_on_no_age_and_refuses_to_be_told_one(served: Served, path: str) -> None:
    bearing = {"Authorization": f"Bearer {served.tokens['desk']}", "Content-Type": "application/json"}
    status, body, _ = served.api.ask(f"{path}?max_lag_ms=60000", "POST", b"{}", **bearing)
    assert status == 400
    assert "'max_lag_ms' is no parameter here" in json.loads(body)["detail"]


def test_every_route_with_a_scope_is_shut_without_a_token_and_the_others_are_open(served: Served) -> None:
    for route in ROUTES:
        status = served.api.ask(route.path.replace("{id}", "a"), route.method)[0]
        assert (status == 401) is (route.scope is not None), route


def test_a_token_that_is_taken_out_ends_and_one_that_is_added_begins(served: Served) -> None:
    former = served.file.read_text()
    secret, line = made("new", [Scope.READ])
    served.tokens["new"] = secret
    served.file.write_text("\n".join([each for each in former.splitlines() if not each.startswith("reader")] + [line]))
    served.api.becomes("/healthz", lambda *_: served.get("reader")[0] == 401)
    assert served.get("new")[0] == 200
    served.file.write_text("not a token at all")
    served.api.becomes("/healthz", lambda *_: (served.get("new")[0], "stay in force" in served.api.said) == (200, True))
    assert "line 1 of the tokens' file" in served.api.said


def test_a_flood_is_429_for_its_token_alone_and_headers_say_what_is_left(
    installation: Settings, tmp_path: Path
) -> None:
    served = Served(installation, tmp_path, CREDENCE_API_RATE_PER_MINUTE="20")
    try:
        # A window may end within the flood, and then begins another; three windows cannot.
        floods = [[served.api.ask(PATH, Authorization=f"Bearer {served.tokens['reader']}") for _ in range(21)]]
        if floods[0][-1][0] != 429:
            floods.append([served.api.ask(PATH, Authorization=f"Bearer {served.tokens['reader']}") for _ in range(21)])
        status, body, headers = floods[-1][-1]
        assert (status, json.loads(body)["status"]) == (429, 429)
        assert headers["RateLimit-Policy"] == '"default";q=20;w=60'
        assert headers["RateLimit"].startswith('"default";r=0;t=')
        assert 1 <= int(headers["Retry-After"]) <= 60
        assert floods[0][0][2]["RateLimit"].startswith('"default";r=19;t=')
        assert served.get("desk")[0] == 200
        assert served.api.get("/readyz")[0] == 200
        # Guesses count on the address that they come from.
        guessed = {served.api.ask(PATH, Authorization=f"Bearer guess{n}")[0] for n in range(42)}
        assert guessed == {401, 429}
    finally:
        served.api.end()
    assert "guess" not in served.api.said


def test_pages_of_named_origins_may_ask_and_of_others_not(installation: Settings, tmp_path: Path) -> None:
    served = Served(installation, tmp_path, CREDENCE_API_CORS_ORIGINS="https://desk.example, https://two.example")
    try:
        _, _, headers = served.api.ask(PATH, "OPTIONS", Origin="https://desk.example")
        assert headers["Access-Control-Allow-Origin"] == "https://desk.example"
        assert "Authorization" in headers["Access-Control-Allow-Headers"]
        assert headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        status, _, headers = served.api.ask(PATH, Origin="https://two.example")
        assert (status, headers["Access-Control-Allow-Origin"]) == (401, "https://two.example")
        assert "Origin" in headers["Vary"]
        assert served.api.ask(PATH, Origin="https://evil.example")[2]["Access-Control-Allow-Origin"] is None
    finally:
        served.api.end()


def test_without_a_file_anybody_reads_from_any_origin_of_none(installation: Settings) -> None:
    api = Api(installation)
    try:
        api.becomes(PATH, lambda status, _: status == 200)
        status, _, headers = api.ask(PATH, Origin="https://desk.example", Authorization="Bearer whatever")
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, None)
    finally:
        api.end()
    with pytest.raises(Problem) as refused:
        Access().require(None, Scope.RULE)
    assert refused.value.status == 403
    assert "CREDENCE_API_TOKENS_FILE" in refused.value.detail


def test_it_speaks_tls_with_a_certificate(installation: Settings, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    options = "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    subprocess.run(f"{command} {options}".split(), cwd=tmp_path, check=True, capture_output=True)
    files = {f"CREDENCE_API_TLS_{name.upper()}FILE": str(tmp_path / f"{name}.pem") for name in ("cert", "key")}
    api = Api(installation, **files)
    try:
        assert api.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        with urllib.request.urlopen(f"{api.url}/healthz", timeout=10, context=context) as answer:
            assert json.load(answer) == {"status": "ok"}
    finally:
        api.end()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reader read", "line 1"),
        ("# fine\nreader read sha256:abc", "line 2"),
        ("reader reads sha256:" + "0" * 64, "none of read, rule, admin"),
        ("reader read sha256:" + "0" * 64 + " soon", "ISO 8601"),
        ("a read sha256:" + "0" * 64 + "\na rule sha256:" + "1" * 64, "line 2"),
        ("a read, rule sha256:" + "0" * 64, "blanks"),
    ],
)
def test_a_file_that_makes_no_sense_names_the_line_and_not_what_is_in_it(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        parse(text)
    assert "0" * 64 not in str(refused.value)


def test_a_file_that_is_not_there_ends_the_start_with_a_sentence(installation: Settings, tmp_path: Path) -> None:
    environ = {
        "CREDENCE_BROKER": installation.broker,
        "CREDENCE_NAMESPACE": installation.namespace,
        "CREDENCE_API_TOKENS_FILE": str(tmp_path / "none"),
    }
    code = "from streams.cli.api import api; api()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "--port", "0"],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "CREDENCE_API_TOKENS_FILE" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_command_makes_a_line_that_lets_its_token_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["api", "token", "--name", "desk", "--scope", "read", "--scope", "rule", "--until", "2199-01-01"]
    ran = CliRunner().invoke(app, options)
    assert ran.exit_code == 0, ran.output
    secret = ran.stderr.split()[-1]
    assert secret not in ran.stdout
    (tmp_path / "tokens").write_text(ran.stdout)
    taken = Access(str(tmp_path / "tokens"))
    found = taken.who(f"bearer {secret}")
    assert found is not None
    assert (found.name, found.scopes) == ("desk", {Scope.READ, Scope.RULE})
    monkeypatch.setattr(access.time, "time", lambda: 7_300_000_000.0)
    with pytest.raises(Problem):
        taken.who(f"Bearer {secret}")
    assert CliRunner().invoke(app, ["api", "token", "--name", "a b", "--scope", "read"]).exit_code == 1


def test_who_comes_beyond_the_callers_that_are_counted_shares_one_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.api.rates.CALLERS_MAX", 2)
    monkeypatch.setattr("streams.api.rates.time.monotonic", lambda: 120.5)
    rates = Rates(3)
    assert [rates.take(who)[0] for who in ("a", "b", "c", "d", "e", "f", "a")] == [2, 2, 2, 1, 0, -1, 1]
    assert rates.take("a") == (0, 60)
    monkeypatch.setattr("streams.api.rates.time.monotonic", lambda: 181.0)
    assert rates.take("f") == (2, 59)
