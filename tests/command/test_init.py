"""`intertie init`: one whole gateway, or nothing."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.command.gateways import UTILITY, here

from intertie.gateway.configuration.settings import read_settings
from intertie.model.party import Role
from intertie.seal.certificates import load_trust
from intertie.seal.descriptor import read_descriptor

Capsys = pytest.CaptureFixture[str]
INIT = ("init", UTILITY, "--role", "distribution_utility")


def tree(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_it_makes_a_gateway_that_is_in_order(tmp_path: Path, capsys: Capsys) -> None:
    said = here(capsys, *INIT, "--name", "City Light", "--dir", tmp_path / "g")
    assert said.code == 0
    assert "intertie serve" in said.out
    settings = read_settings(tmp_path / "g")
    assert (settings.party.name, settings.party.roles) == (
        "City Light",
        frozenset({Role.DISTRIBUTION_UTILITY}),
    )
    trust = load_trust(tmp_path / "g" / "trust")
    raw = (tmp_path / "g" / "descriptor.json").read_bytes()
    descriptor = read_descriptor(raw, trust, datetime.now(UTC))
    assert (descriptor.party, descriptor.url) == (UTILITY, settings.street.url)
    assert here(capsys, "doctor", "--dir", tmp_path / "g").code == 0


def test_secrets_are_for_their_owner_only(tmp_path: Path, capsys: Capsys) -> None:
    here(capsys, *INIT, "--dir", tmp_path)
    secrets = [*(tmp_path / "keys").iterdir(), *(tmp_path / "ca").iterdir()]
    assert len(secrets) > 6
    for path in secrets:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    for folder in ("keys", "ca"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "kept", ["intertie.toml", "keys", "descriptor.json", "store.db", "trust", "partners", "ca"]
)
def test_it_overwrites_nothing(tmp_path: Path, capsys: Capsys, kept: str) -> None:
    assert here(capsys, *INIT, "--dir", tmp_path).code == 0
    (tmp_path / "store.db").write_bytes(b"messages")
    for path in list(tmp_path.iterdir()):
        if path.name != kept:
            path.rename(tmp_path.parent / f"{tmp_path.name}-{path.name}")
    before = tree(tmp_path)
    again = here(capsys, *INIT, "--dir", tmp_path)
    assert again.code == 1
    assert kept in again.err
    assert tree(tmp_path) == before


def test_a_failure_leaves_nothing_behind(tmp_path: Path, capsys: Capsys) -> None:
    said = here(capsys, *INIT, "--dir", tmp_path, "--ca", tmp_path / "no-such-ca")
    assert said.code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_shared_authority(tmp_path: Path, capsys: Capsys) -> None:
    here(capsys, *INIT, "--dir", tmp_path / "u")
    said = here(
        capsys,
        "init",
        "b.example",
        "--role",
        "der-aggregator",
        "--dir",
        tmp_path / "b",
        "--ca",
        tmp_path / "u" / "ca",
    )
    assert said.code == 0
    assert not (tmp_path / "b" / "ca").exists()
    roots = [(tmp_path / name / "trust" / "trial-ca.pem").read_bytes() for name in ("u", "b")]
    assert roots[0] == roots[1]


def test_validity_and_clock(tmp_path: Path, capsys: Capsys) -> None:
    said = here(
        capsys,
        *INIT,
        "--dir",
        tmp_path,
        "--not-before",
        "2025-11-01",
        "--years",
        "3",
        "--clock",
        "../now.txt",
        "--json",
    )
    assert said.json["party"] == UTILITY
    assert read_settings(tmp_path).clock.file == "../now.txt"
    trust = load_trust(tmp_path / "trust")
    raw = (tmp_path / "descriptor.json").read_bytes()
    descriptor = read_descriptor(raw, trust, datetime(2026, 1, 1, tzinfo=UTC))
    assert descriptor.since == datetime(2025, 11, 1, tzinfo=UTC)
    assert descriptor.until > datetime(2028, 10, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "listen"),
    [
        ("https://127.0.0.1:9443", "127.0.0.1:9443"),
        ("https://gateway.utility.example", "0.0.0.0:443"),
        ("https://gateway.utility.example:8443/door", "0.0.0.0:8443"),
    ],
)
def test_where_it_listens_follows_from_the_url(tmp_path: Path, capsys: Capsys, url: str, listen: str) -> None:
    assert here(capsys, *INIT, "--dir", tmp_path, "--url", url).code == 0
    assert read_settings(tmp_path).street.listen == listen


@pytest.mark.parametrize(
    "wrong",
    [
        ("init",),
        ("init", UTILITY),
        ("init", "Not A Host", "--role", "agency"),
        ("init", UTILITY, "--role", "king"),
        (*INIT, "--not-before", "yesterday"),
        (*INIT, "--no-such-option"),
        ("no-such-command",),
    ],
)
def test_usage_errors_are_2(
    tmp_path: Path, capsys: Capsys, wrong: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = here(capsys, *wrong)
    assert said.code == 2
    assert said.err
    assert not said.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "gateway.example", "https://"])
def test_a_door_without_tls_is_refused(tmp_path: Path, capsys: Capsys, url: str) -> None:
    said = here(capsys, *INIT, "--dir", tmp_path / "g", "--url", url)
    assert said.code == 1
    assert "https" in said.err
    assert not (tmp_path / "g").exists()


def test_version_and_help(capsys: Capsys) -> None:
    assert here(capsys, "--version").out.strip() == "0.1.0"
    text = here(capsys, "--help").out
    for name in (
        "init",
        "serve",
        "partner",
        "send",
        "inbox",
        "outbox",
        "message",
        "evidence",
        "journal",
        "doctor",
    ):
        assert name in text
