"""`[espi]` of the settings: what of it cannot be, and what is served by it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import msgspec
import pytest
from tests.command.gateways import here
from tests.interop.espi_house import make_house
from tests.ports import free_port

from intertie.bindings.espi.notify import Notifier
from intertie.cli import run
from intertie.gateway.configuration.espi_settings import EspiDoor
from intertie.gateway.configuration.listening import address_of
from intertie.gateway.configuration.settings import read_settings
from intertie.model.errors import SettingsError
from intertie.run.espi import door_server, notifier_of, work
from intertie.run.espi_beside import WORK, espi_beside
from intertie.run.readings import opened_readings


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"listen": "127.0.0.1:8497"}, "url"),
        ({"listen": "127.0.0.1:8497", "url": "http://a.example"}, "url"),
        ({"listen": "127.0.0.1:8497", "url": "https://a.example/"}, "url"),
        ({"listen": "127.0.0.1:8497", "url": "https://a.example?x=1"}, "url"),
        ({"listen": "0.0.0.0:8497", "url": "https://a.example"}, "certificate"),
        ({"certificate": "a.pem"}, "goes with key"),
        ({"listen": "nowhere", "url": "https://a.example"}, "host:port"),
        ({"access_seconds": 1}, "access_seconds"),
        ({"feeds": 0}, "feeds"),
    ],
)
def test_what_cannot_be(said: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(said, EspiDoor)
    assert not EspiDoor().enabled


def test_the_template_says_what_is_there_without_it(tmp_path: Path) -> None:
    place = tmp_path / "g"
    url = f"https://127.0.0.1:{free_port()}"
    assert (
        run(["init", "u.example", "--role", "distribution_utility", "--url", url, "--dir", str(place)]) == 0
    )
    assert read_settings(place).espi == EspiDoor()
    text = (place / "intertie.toml").read_text()
    section = text.partition("[espi]\n")[2].partition("\n[")[0]
    lines = [line.removeprefix("# ").partition("#")[0] for line in section.splitlines() if " = " in line]
    file = place / "only.toml"
    file.write_text("[espi]\n" + "\n".join(lines))
    said = msgspec.toml.decode(file.read_bytes())["espi"]
    assert msgspec.convert(said, EspiDoor) == EspiDoor()
    assert set(said) == set(EspiDoor.__struct_fields__)


def test_the_door_and_who_tells_are_wired(tmp_path: Path) -> None:
    house = make_house(tmp_path)
    with opened_readings(house.place) as it:
        config = door_server(it)
        assert config.ssl is not None and config.ssl.minimum_version is ssl.TLSVersion.TLSv1_3
        assert isinstance(notifier_of(it), Notifier)
    settings = house.place / "intertie.toml"
    old = settings.read_text()
    settings.write_text(old.replace("[espi]\n", "[espi]\ntls_1_2 = true\nca_file = 'ftps.pem'\n", 1))
    with opened_readings(house.place) as it:
        config = door_server(it)
        assert config.ssl is not None and config.ssl.minimum_version is ssl.TLSVersion.TLSv1_2
        assert isinstance(notifier_of(it), Notifier)
    (house.place / "bad.pem").write_text("no certificate")
    settings.write_text(old.replace("[espi]\n", "[espi]\nca_file = 'bad.pem'\n", 1))
    with opened_readings(house.place) as it, pytest.raises(SettingsError, match="ca_file"):
        notifier_of(it)
    settings.write_text(old.replace("[espi]\n", "[espi]\nca_file = 'none.pem'\n", 1))
    with (
        pytest.raises(SettingsError, match="is not there"),
        espi_beside(house.place, read_settings(house.place), "INFO"),
    ):
        raise AssertionError("it was opened")


def test_a_door_that_cannot_be_opened_keeps_a_gateway_from_serving(tmp_path: Path) -> None:
    house = make_house(tmp_path)
    settings = read_settings(house.place)
    with (
        socket.create_server(address_of(settings.espi.listen)),
        pytest.raises(SettingsError, match="cannot listen"),
    ):
        espi_beside(house.place, settings, "INFO").__enter__()
    (house.place / "ftps.key").unlink()
    with pytest.raises(SettingsError, match="is not there"):
        espi_beside(house.place, settings, "INFO").__enter__()


def test_its_process_says_why_it_cannot_begin(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = make_house(tmp_path)
    (house.place / "intertie.toml").write_text("[espi]\nlisten = 5\n")
    assert "intertie.run.espi" in WORK and work([str(house.place), "INFO", "3", "4"]) == 1
    assert "espi ended" in caplog.text


def test_without_it_there_is_no_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "g"
    url = f"https://127.0.0.1:{free_port()}"
    assert (
        run(["init", "u.example", "--role", "distribution_utility", "--url", url, "--dir", str(place)]) == 0
    )
    with espi_beside(place, read_settings(place), "INFO"):
        assert here(capsys, "espi", "applications", "--dir", place).out.startswith("No applications")
    for words, why in (
        (["consents"], "No consents"),
        (["asking"], "Nobody waits"),
    ):
        assert why in here(capsys, "espi", *words, "--dir", place).out
    missing = here(capsys, "espi", "end", "ffffffffffff", "--dir", place)
    assert missing.code == 1 and "no application" in missing.err
    bad = here(
        capsys, "espi", "register", "X", "--redirect", "https://a.example", "--scope", "FB=10", "--dir", place
    )
    assert bad.code == 1 and "is not given here" in bad.err
    made = here(
        capsys,
        "espi",
        "register",
        "X",
        "--redirect",
        "https://a.example/b",
        "--scope",
        "FB=4_5",
        "--dir",
        place,
    )
    assert made.code == 0 and "client_secret" in made.out
    listed = here(capsys, "espi", "applications", "--dir", place, "--json").json["applications"]
    id = listed[0]["client_id"]
    given = here(capsys, "espi", "give", id, "--customer", "C", "--meter", "M1", "--dir", place)
    assert given.code == 0 and "1 meters until" in given.out
    assert "FB=4_5" in here(capsys, "espi", "consents", id, "--dir", place).out
    consent = here(capsys, "espi", "consents", id, "--dir", place, "--json").json["consents"][0]["consent"]
    assert "ended" in here(capsys, "espi", "revoke", id, consent, "--dir", place).out
    assert "gets nothing" in here(capsys, "espi", "end", id, "--dir", place).out
    assert here(capsys, "espi", "end", id, "--dir", place).code == 1
