"""Settings: read once from the environment, checked, and never guessed."""

from __future__ import annotations

import pytest

from streams.contract.settings import Settings, SettingsError, client_kwargs, parse_duration_ms, table


def test_defaults_hold_where_nothing_is_set() -> None:
    assert Settings.from_env({}) == Settings()


def test_the_environment_goes_over_defaults_and_arguments_over_the_environment() -> None:
    environ = {"CREDENCE_PARTITIONS": "8", "CREDENCE_BROKER": "a:1", "CREDENCE_LATENESS_MS": "36h"}
    settings = Settings.from_env(environ, broker="b:2", batch_rows=None)
    assert (settings.partitions, settings.broker, settings.lateness_ms) == (8, "b:2", 36 * 3_600_000)
    assert settings.batch_rows == Settings().batch_rows


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("PARTITIONS", "many", "CREDENCE_PARTITIONS='many'"),
        ("PARTITIONS", "0", "at least 1"),
        ("CLAIM_EXPIRY_MS", "a month", "24h, 30d"),
        ("SECURITY_PROTOCOL", "TLS", "SASL_SSL"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_variable_and_what_fits(
    name: str, text: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings.from_env({"CREDENCE_" + name: text})


@pytest.mark.parametrize(
    ("text", "ms"), [("24h", 86_400_000), ("1.5s", 1_500), ("-1", -1), ("250", 250), ("30d", 2_592_000_000)]
)
def test_durations_are_written_as_people_write_them(text: str, ms: int) -> None:
    assert parse_duration_ms(text) == ms


def test_every_setting_has_a_variable_and_a_sentence() -> None:
    for name, variable, _, sentence in table():
        assert variable == "CREDENCE_" + name.upper()
        assert sentence.endswith(".")


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    assert "hunter2" not in repr(Settings(sasl_password="hunter2", ssl_key_password="hunter2"))


def test_log_in_and_tls_settings_reach_the_clients() -> None:
    plain = client_kwargs(Settings(broker="a:1,b:2"))
    assert plain == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT", "ssl_context": None}
    secured = client_kwargs(
        Settings(
            broker="a:1",
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="u",
            sasl_password="p",
        )
    )
    assert secured["ssl_context"] is not None
    assert (secured["sasl_mechanism"], secured["sasl_plain_username"], secured["sasl_plain_password"]) == (
        "SCRAM-SHA-512",
        "u",
        "p",
    )


def test_a_certificate_that_cannot_be_read_names_the_settings() -> None:
    with pytest.raises(SettingsError, match="CREDENCE_SSL_CAFILE"):
        client_kwargs(Settings(broker="a:1", security_protocol="SSL", ssl_cafile="/nowhere/ca.pem"))


def test_clients_without_a_broker_are_refused() -> None:
    with pytest.raises(SettingsError, match="CREDENCE_BROKER"):
        client_kwargs(Settings())


@pytest.mark.parametrize(
    "broker",
    ["not a host", "host:", "host:0", "host:99999", "host:many", "http://x", "kafka://x:1", "a:1,,b:2", ",", " "],
)
def test_an_address_that_makes_no_sense_is_refused_at_once_and_names_the_setting(broker: str) -> None:
    for given in ({"environ": {"CREDENCE_BROKER": broker}}, {"environ": {}, "broker": broker}):
        with pytest.raises(SettingsError, match=r"CREDENCE_BROKER, or --broker, names .* write host:port"):
            Settings.from_env(**given)  # type: ignore[arg-type]


def test_an_empty_address_is_the_embedded_kafka_by_the_environment_and_a_mistake_by_argument() -> None:
    assert Settings.from_env({"CREDENCE_BROKER": ""}).broker == ""
    with pytest.raises(SettingsError, match="names ''"):
        Settings.from_env({}, broker="")


@pytest.mark.parametrize("broker", ["kafka-1:9092,kafka-2:9092", "kafka", "my_kafka:1", "10.0.0.7:9092", "[::1]:65535"])
def test_addresses_that_make_sense_are_taken(broker: str) -> None:
    assert client_kwargs(Settings(broker=broker))["bootstrap_servers"] == broker.split(",")
