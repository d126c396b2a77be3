"""Every setting once: its name, default, type and sentence. The environment variable is CREDENCE_ and the name.

To add one, add a line to `Settings`. A field whose name ends in `_ms` reads durations: 24h, 30d,
500ms, or plain milliseconds.
"""

from __future__ import annotations

import dataclasses
import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

PREFIX = "CREDENCE_"
DATA_DIR = PREFIX + "DATA_DIR"
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class SettingsError(ValueError):
    """A setting has a value that is not allowed. The message names the variable, the value and what is allowed."""


def setting(
    default: Any, doc: str, *, least: float | None = None, choices: tuple[str, ...] = (), secret: bool = False
) -> Any:
    """Declare a field of `Settings`. `secret` values are never printed."""
    return field(
        default=default, metadata={"doc": doc, "least": least, "choices": choices, "secret": secret}, repr=not secret
    )


@dataclass(frozen=True)
class Settings:
    """How a process of Credence is set up. Immutable; `replace` gives a changed copy."""

    broker: str = setting("", "Kafka to use, host:port with commas between several; empty: the embedded one.")
    namespace: str = setting(
        "", "Put before every topic and consumer group name, so that several installations share one Kafka."
    )
    partitions: int = setting(4, "Partitions of topics that are made. Those that exist keep theirs.", least=1)
    replication_factor: int = setting(-1, "Replicas of every topic; -1: the broker's default.", least=-1)
    log_retention_ms: int = setting(
        -1, "How long inputs, hops and flags are kept; -1: for ever. `verify` needs them from the beginning.", least=-1
    )
    dead_letters_retention_ms: int = setting(30 * 86_400_000, "How long dead letters are kept; -1: for ever.", least=-1)
    lateness_ms: int = setting(
        86_400_000, "How late an event may come after the delete or update that is about it.", least=0
    )
    claim_expiry_ms: int = setting(30 * 86_400_000, "A claim is forgotten this long after its last event.", least=1)
    verdict_lag_ms: int = setting(
        86_400_000, "In a replay, a verdict is released this long after the claim's first event.", least=0
    )
    score_materiality: float = setting(
        0.05, "A claim's score is published when its score or risk has moved by this much, nats of log-odds.", least=0.0
    )
    commit_interval_ms: int = setting(1_000, "How often a worker commits the offsets that it has applied.", least=1)
    stall_ms: int = setting(
        60_000, "A worker that has work and does none of it for this long ends itself.", least=1_000
    )
    patience_ms: int = setting(
        120_000, "How long `replay` and `demo` wait for a stage that has work and does none of it.", least=1_000
    )
    instance_id: str = setting(
        "",
        "Names this worker for static membership: restarted under the same name it gets its partitions back at once.",
    )
    max_stage_lag: int = setting(64, "Intake waits while a later stage is this many records behind.", least=1)
    raters: str = setting("", "Raters whose rulings count, with commas between; empty: any.")
    home: str = setting(
        "",
        "Folder of what is kept between runs, the embedded Kafka and compiled code; empty: `credence` in the user's "
        "cache folder.",
    )
    data_dir: str = setting(
        "",
        "Folder that a worker or the query service may keep files in, made where it is missing; the service goes on "
        "from there after a restart. Empty: none, for nothing needs it.",
    )
    session_timeout_ms: int = setting(
        10_000, "A worker that is silent for this long loses its partitions.", least=1_000
    )
    batch_rows: int = setting(
        16_000, "Rows of one partition after which a step is made durable; more at once cost less each.", least=1
    )
    api_host: str = setting("127.0.0.1", "Address that the query service listens on.")
    api_port: int = setting(8080, "Port that the query service listens on; 0: any that is free.", least=0)
    api_staleness_ms: int = setting(
        30_000, "The query service is not ready when it has not reached Kafka for this long.", least=1
    )
    api_tokens_file: str = setting(
        "", "File of the tokens that the query service takes; empty: anybody may read, nobody may write."
    )
    api_rate_per_minute: int = setting(
        60_000, "Requests that one token, or one address without a token, may make in a minute; 0: any number.", least=0
    )
    api_cors_origins: str = setting(
        "", "Origins whose pages may ask the query service, with commas between; *: any; empty: none."
    )
    api_tls_certfile: str = setting(
        "", "Certificate of the query service, PEM; empty: it speaks plain HTTP and belongs behind a proxy with TLS."
    )
    api_tls_keyfile: str = setting("", "Key of that certificate, PEM; empty: it is in the same file.")
    metrics_host: str = setting("127.0.0.1", "Address that a worker serves its metrics on.")
    metrics_port: int = setting(9100, "Port that a worker serves its metrics on; 0: any that is free.", least=0)
    coop_callbacks_file: str = setting(
        "",
        "File (TOML) with the key by which Coop signs its callbacks, and what its actions mean; empty: none is taken.",
    )
    deliver_secret: str = setting(
        "", "Key, token or password for the target of `credence deliver`; of activitypub, the private key.", secret=True
    )
    deliver_secret_file: str = setting("", "File with that secret instead; it is read again when it changes.")
    deliver_timeout_ms: int = setting(10_000, "How long a delivery waits for the target's answer.", least=1)
    deliver_retry_ms: int = setting(1_000, "Longest wait before a second try; it doubles from try to try.", least=1)
    deliver_retry_max_ms: int = setting(60_000, "Longest wait between two tries to deliver.", least=1)
    deliver_give_up_ms: int = setting(
        3_600_000, "A flag at which a target that is there fails for so long is put aside as refused.", least=1
    )
    deliver_settle_ms: int = setting(
        30_000, "How long a target may still act on a request whose answer was not read; then it is asked.", least=0
    )
    security_protocol: str = setting(
        "PLAINTEXT", "How to talk to Kafka.", choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    )
    sasl_mechanism: str = setting(
        "PLAIN", "How to log in to Kafka.", choices=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    )
    sasl_username: str = setting("", "Name to log in to Kafka with.")
    sasl_password: str = setting("", "Password to log in to Kafka with.", secret=True)
    ssl_cafile: str = setting("", "Certificates to trust, PEM; empty: those of the system.")
    ssl_certfile: str = setting("", "Client certificate, PEM, where Kafka asks for one.")
    ssl_keyfile: str = setting("", "Key of the client certificate, PEM; empty: it is in the same file.")
    ssl_key_password: str = setting("", "Password of that key.", secret=True)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read CREDENCE_* variables over the defaults, and `overrides` (those not None) over both.

        Raises SettingsError on a value that does not fit, with the variable's name and what would.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for declared in dataclasses.fields(cls):
            if (text := environ.get(PREFIX + declared.name.upper())) is not None:
                values[declared.name] = _parse(declared, text)
        values.update({name: value for name, value in overrides.items() if value is not None})
        if overrides.get("broker") == "":  # as by --broker "$UNSET": this must not mean the embedded one
            raise SettingsError(_no_server(""))
        return cls(**values)

    def __post_init__(self) -> None:
        for declared in dataclasses.fields(self):
            _check(declared, getattr(self, declared.name))
        if self.broker:
            servers(self.broker)

    def replace(self, **changes: Any) -> Self:
        """A copy with these changes."""
        return dataclasses.replace(self, **changes)


def servers(broker: str) -> list[str]:
    """The addresses in a list with commas. Without a port, Kafka's own is meant. Raises SettingsError.

    >>> servers("kafka-1:9092, kafka-2, [::1]:9092")
    ['kafka-1:9092', 'kafka-2', '[::1]:9092']
    """
    found = [server.strip() for server in broker.split(",")]
    for server in found:
        matched = re.fullmatch(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", server)
        if matched is None or not 0 < int(matched[1] or 9092) < 1 << 16:
            raise SettingsError(_no_server(server))
    return found


def _no_server(text: str) -> str:
    return (
        f"{PREFIX}BROKER, or --broker, names {text!r}, which is no server: write host:port, with commas between several"
    )


def parse_duration_ms(text: str) -> int:
    """Milliseconds of a duration such as 24h, 1.5d, 30s, 500ms, or plain milliseconds; -1 stays -1.

    >>> parse_duration_ms("24h"), parse_duration_ms("500ms"), parse_duration_ms("250")
    (86400000, 500, 250)
    """
    matched = re.fullmatch(r"\s*(-1|\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", text)
    if matched is None:
        raise ValueError(f"{text!r} is not a duration: write 24h, 30d, 90s or 500ms")
    return round(float(matched[1]) * _UNITS_MS[matched[2] or "ms"])


def table() -> list[tuple[str, str, str, str]]:
    """Every setting as (name, environment variable, default, sentence), for the documentation."""
    return [
        (declared.name, PREFIX + declared.name.upper(), str(declared.default), declared.metadata["doc"])
        for declared in dataclasses.fields(Settings)
    ]


def _parse(declared: dataclasses.Field[Any], text: str) -> Any:
    try:
        if declared.name.endswith("_ms"):
            return parse_duration_ms(text)
        kind: type[Any] = type(declared.default)
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[
                text.strip().lower()
            ]
        return kind(text)
    except (ValueError, KeyError) as error:
        raise SettingsError(
            f"{PREFIX}{declared.name.upper()}={text!r}: {error}. It is: {declared.metadata['doc']}"
        ) from error


def _check(declared: dataclasses.Field[Any], value: Any) -> None:
    least, choices = declared.metadata["least"], declared.metadata["choices"]
    if least is not None and value < least:
        raise SettingsError(f"{PREFIX}{declared.name.upper()} is {value} and must be at least {least}")
    if choices and value not in choices:
        raise SettingsError(f"{PREFIX}{declared.name.upper()} is {value!r} and must be one of {', '.join(choices)}")


def folder_of(named: str, folder: Path) -> Path:
    """The folder that a setting names. It and its parents are made if missing; a file is written to test it.

    Args:
        named: name of the setting, for the error.
        folder: what it is set to.

    Raises SettingsError when it cannot be made or written in.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, ValueError) as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a file is in the way" if in_the_way else getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"{named} is {folder}, which cannot be used: {reason}. Name a folder that this process may write in"
        ) from error


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context of the settings; None where the protocol has no TLS. Raises SettingsError on unreadable files."""
    if settings.security_protocol not in ("SSL", "SASL_SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile or None)
        if settings.ssl_certfile:
            context.load_cert_chain(
                settings.ssl_certfile, settings.ssl_keyfile or None, settings.ssl_key_password or None
            )
    except OSError as error:
        raise SettingsError(
            f"the TLS files of {PREFIX}SSL_CAFILE, _CERTFILE and _KEYFILE cannot be used: {error}"
        ) from error
    return context


def client_kwargs(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for any client of aiokafka or kafka-python (both spell them the same way)."""
    if not settings.broker:
        raise SettingsError("no Kafka is named: set CREDENCE_BROKER, or resolve the embedded one first")
    kwargs: dict[str, Any] = {
        "bootstrap_servers": servers(settings.broker),
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL_"):
        kwargs["sasl_mechanism"] = settings.sasl_mechanism
        kwargs["sasl_plain_username"] = settings.sasl_username
        kwargs["sasl_plain_password"] = settings.sasl_password
    return kwargs


def faust_credentials(settings: Settings) -> Any:
    """The `broker_credentials` of a faust app; None where the protocol has neither TLS nor a log-in."""
    import faust

    context = ssl_context(settings)
    if settings.security_protocol.startswith("SASL_"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password,
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return faust.SSLCredentials(context) if context is not None else None
