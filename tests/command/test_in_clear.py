"""Where we go without TLS: not after the date, not while the setting is off, and not by a password that opens anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command.gateways import command
from tests.command.relaying import AGGREGATOR, HUB
from tests.interop.parcels_house import (
    PLAIN,
    export_status,
    keep_secret,
    legacy_text,
    put_legacy,
    set_section,
    two,
)

from intertie.formats.ftps_terms import TheirFtps
from intertie.formats.upload_terms import hash_secret
from intertie.gateway.translating.files import File
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import PartnerError
from intertie.model.ids import PartyId
from intertie.run import Opened, opened
from intertie.run.ftps import posts
from intertie.run.in_clear import may_go

ROLE = "der_aggregator"
SERVER = (
    '[ftps]\nserver = { host = "127.0.0.1", port = 9, user = "us", secret_file = "password.txt", tls = "none", '
    'to = "in", fetch = "out" }'
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    three = two(tmp_path)
    set_section(three.home, "ftps", "visits = true\nplain = true\n")
    keep_secret(three.home, PLAIN)
    put_legacy(three.home, AGGREGATOR, ROLE, SERVER)
    export_status(three, tmp_path / "medium")
    yield three.home


def foreign(it: Opened) -> Foreign:
    partner = it.partners.find(PartyId(AGGREGATOR))
    assert partner is not None and partner.foreign is not None
    return partner.foreign


def why_not(place: Path) -> str:
    with opened(place) as it, pytest.raises(PartnerError) as caught:
        may_go(it)(foreign(it))
    assert AGGREGATOR in caught.value.why and "protection_too_weak" in caught.value.why
    return caught.value.why


def test_as_agreed_it_goes(home: Path) -> None:
    with opened(home) as it:
        there = may_go(it)(foreign(it))
        assert isinstance(there, TheirFtps) and there.in_clear


def test_not_after_its_end_date(home: Path) -> None:
    put_legacy(home, AGGREGATOR, ROLE, SERVER, "2020-01-01")
    assert "ended on 2020-01-01" in why_not(home)


def test_not_while_the_setting_is_off(home: Path) -> None:
    settings = home / "intertie.toml"
    settings.write_text(settings.read_text().replace("plain = true\n", "", 1))
    assert "plain is not set" in why_not(home)


def test_not_by_a_password_that_opens_our_own_door(home: Path) -> None:
    put_legacy(home, HUB, "third_party", f'[upload]\nuser = "hub"\nsecrets = ["{hash_secret(PLAIN)}"]')
    assert f"opens our door for {HUB}, too" in why_not(home)


def test_not_by_a_password_that_opens_another_server(home: Path) -> None:
    other = SERVER.replace("password.txt", "other.txt").replace('"none"', '"explicit"')
    other = other.replace('to = "in"', f'certificates = ["sha256:{"a" * 64}"], to = "in"')
    put_legacy(home, HUB, "third_party", other)
    (home / "other.txt").write_text(f"{PLAIN}\n")
    (home / "other.txt").chmod(0o600)
    assert f"opens the server of {HUB}, too" in why_not(home)
    (home / "other.txt").write_text("another\n")
    test_as_agreed_it_goes(home)


def test_not_by_the_password_of_our_mail(home: Path) -> None:
    settings = home / "intertie.toml"
    text = settings.read_text()
    assert "[escalation]\n" in text
    said = '[escalation]\nuser = "us"\npassword_file = "password.txt"\n'
    settings.write_text(text.replace("[escalation]\n", said, 1))
    assert "opens the mail server, too" in why_not(home)


def test_what_is_not_sealed_is_not_put_there_and_the_partner_is_named(home: Path) -> None:
    async def put(it: Opened) -> None:
        carrier = posts(it)._carrier
        try:
            await carrier.send(foreign(it), File(name="a.csv", kind="text/csv", content=b"in clear"))
        finally:
            await carrier.aclose()

    with (
        opened(home) as it,
        pytest.raises(PartnerError, match=rf"only sealed parcels .* .partner {AGGREGATOR}."),
    ):
        asyncio.run(put(it))


def test_the_command_refuses_what_would_not_go(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "aggregator.legacy"
    for text, word in (
        (legacy_text(AGGREGATOR, ROLE, SERVER, "2020-01-01"), "ended on 2020-01-01"),
        (legacy_text(AGGREGATOR, ROLE, SERVER).replace("[parcel]", "[json]"), "[parcel] alone"),
        (legacy_text(AGGREGATOR, ROLE, SERVER.replace("password.txt", "none.txt")), "cannot be read"),
    ):
        file.write_text(text)
        said = command("partner", "legacy", AGGREGATOR, file, "--dir", home)
        assert said.code and word in said.err, said
