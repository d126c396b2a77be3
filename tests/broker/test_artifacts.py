"""The fetch of Apache Kafka: whole or not at all, and only the bytes that were pinned."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import certifi
import pytest

from streams.broker import artifacts
from streams.broker.errors import BrokerError

SMALL = ("org.slf4j", "slf4j-simple", "2.0.17")


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a Kafka."""
    monkeypatch.setenv("CREDENCE_HOME", str(tmp_path))
    return tmp_path


def nothing_kept(home: Path) -> bool:
    """Whether no folder is there that a later start could take for a Kafka."""
    return [path.name for path in (home / "kafka").iterdir()] == [".lock"]


def test_every_jar_is_pinned_by_content_and_kafka_by_one_version() -> None:
    rows = artifacts.pinned()
    assert all(len(digest) == 64 for *_, digest in rows)
    assert {version for group, _, version, _ in rows if group == "org.apache.kafka"} == {"4.1.0"}
    assert {"kafka_2.13", "kafka-clients"} <= {artifact for _, artifact, _, _ in rows}


def test_without_a_network_nothing_is_kept_and_the_error_says_what_to_do(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(BrokerError, match=r"could not download .* Check the network .*CREDENCE_BROKER"):
        artifacts.ensure()
    assert nothing_kept(empty_home)


def test_an_authority_of_the_system_is_trusted_beside_pythons_own_for_the_download_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = tmp_path / "company.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\nthe company's\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with artifacts.trusting_the_system(tmp_path / "trusted.pem"):
        trusted = Path(os.environ["REQUESTS_CA_BUNDLE"]).read_text()
        assert authority.read_text() in trusted
        assert Path(certifi.where()).read_text() in trusted
    assert "REQUESTS_CA_BUNDLE" not in os.environ


def test_certificates_that_the_user_names_are_the_only_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(given := tmp_path / "mine.pem"))
    given.touch()
    with artifacts.trusting_the_system(tmp_path / "trusted.pem"):
        assert os.environ["REQUESTS_CA_BUNDLE"] == str(given)
    given.unlink()
    monkeypatch.setenv("CREDENCE_HOME", str(tmp_path / "home"))
    with pytest.raises(BrokerError, match=r"REQUESTS_CA_BUNDLE names .*mine\.pem, which is not there"):
        artifacts.ensure()
    assert not (tmp_path / "trusted.pem").exists()


def test_a_certificate_that_is_not_trusted_is_called_that_with_the_variables_to_set() -> None:
    error = RuntimeError("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] self-signed'))")
    said = artifacts.download_failed(["https://repository.example"], error)
    assert "SSL_CERT_FILE=/path/to/ca.pem, or REQUESTS_CA_BUNDLE" in said
    assert "CREDENCE_BROKER=host:port" in said
    assert "HTTPS_PROXY" not in said


def test_a_jar_with_other_bytes_than_pinned_is_refused(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "pinned", lambda: [(*SMALL, "0" * 64)])
    with pytest.raises(BrokerError, match="not 0000"):
        artifacts.ensure()
    assert nothing_kept(empty_home)


def test_too_little_disk_is_said_before_anything_is_fetched(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(empty_home)
    monkeypatch.setattr(artifacts.shutil, "disk_usage", lambda _: usage._replace(free=1024**2))
    with pytest.raises(BrokerError, match=r"1 MB free.*CREDENCE_HOME"):
        artifacts.ensure()


def test_what_a_killed_fetch_left_is_swept_by_the_next(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = empty_home / "kafka" / "partial-killed"
    (left / "jars").mkdir(parents=True)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(BrokerError):
        artifacts.ensure()
    assert not left.exists()
