"""Two gateways and their doors: a utility as custodian tells an aggregator over TLS, which fetches, and holds the same."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import here
from tests.interop.espi_house import SCOPE, START, House, bring, make_house, serving
from tests.interop.sftp_house import until
from tests.interop.test_ftps import certificate
from tests.ports import free_port

from intertie.cli import run

THIRD = "aggregator.example"
LEGACY = """
name = "The Utility"
roles = ["distribution_utility"]
legacy_until = 2099-12-31

[green_button]
resources = "{url}/espi/1_1/resource"
token = "{url}/espi/1_1/oauth/token"
client_id = "{id}"
secret_file = "custodian.txt"

[espi]

[contract]
agreement = "BASE-1"
buyer = "utility.example"
seller = "aggregator.example"
effective = 2026-01-01T00:00:00Z
general_terms = {{ title = "Base contract", edition = "2026", sha256 = "{sha}" }}
calendar = {{ name = "utility", zone = "America/New_York" }}
"""


def make_third(base: Path) -> House:
    """An aggregator with a door at which custodians tell it."""
    place, port = base / "aggregator", free_port()
    said = ["init", THIRD, "--role", "der_aggregator", "--url", f"https://127.0.0.1:{free_port()}"]
    assert run([*said, "--dir", str(place)]) == 0
    certificate(place)
    url = f"https://localhost:{port}"
    section = f"""[espi]
listen = "127.0.0.1:{port}"
url = "{url}"
certificate = "ftps.pem"
key = "ftps.key"
fetch = true
fetch_seconds = 0.2
ca_file = "utility.pem"
"""
    settings = place / "intertie.toml"
    settings.write_text(settings.read_text().replace("[espi]\n", section, 1))
    return House(place, url, place / "ftps.pem")


def make_pair(base: Path, capsys: Any) -> tuple[House, House]:
    """A utility, and an aggregator that it knows as an application; a customer lets it see one meter."""
    utility, third = make_house(base, 'ca_file = "third.pem"\n'), make_third(base)
    (utility.place / "third.pem").write_bytes(third.trust.read_bytes())
    (third.place / "utility.pem").write_bytes(utility.trust.read_bytes())
    notify = f"{third.url}/espi/1_1/Notification"
    made = here(
        capsys,
        *("espi", "register", "Third", "--redirect", "https://app.example/back", "--notify", notify),
        *("--scope", SCOPE, "--dir", utility.place, "--json"),
    ).json
    secret = third.place / "custodian.txt"
    secret.write_text(made["client_secret"])
    file = base / "them.file"
    file.write_text(LEGACY.format(url=utility.url, id=made["client_id"], sha="0" * 64))
    refused = here(capsys, "partner", "legacy", "utility.example", file, "--dir", third.place)
    assert refused.code == 1 and "open to others" in refused.err
    secret.chmod(0o600)
    added = here(capsys, "partner", "legacy", "utility.example", file, "--dir", third.place, "--json").json
    assert "we fetch as" in added["speaks"] and added["our key"] == ""
    given = ("--customer", "C-1", "--meter", "M1", "--dir", utility.place)
    assert here(capsys, "espi", "give", made["client_id"], *given).code == 0
    return utility, third


def test_readings_of_customers_who_consented_get_to_the_third_party(tmp_path: Path, capsys: Any) -> None:
    utility, third = make_pair(tmp_path, capsys)
    day = date(START.year, START.month, START.day).isoformat()
    with serving(third), serving(utility):  # first the doors: who finds none tries again much later
        bring(utility, *range(96))
        until(lambda: held(capsys, third, day) == 96)
        bring(utility, *[5] * 96, days=1)
        until(lambda: held(capsys, third, day) == 192)
    shown = " ".join(here(capsys, "partner", "show", "utility.example", "--dir", third.place).out.split())
    assert "neither signed nor sealed" in shown
    inbox = here(capsys, "inbox", "--dir", third.place, "--json").json
    assert len(inbox["messages"] if isinstance(inbox, dict) else inbox) == 2


def held(capsys: Any, house: House, day: str) -> int:
    """How many readings of the meter the aggregator has."""
    said = here(capsys, "readings", "show", "M1", "--from", day, "--dir", house.place, "--json")
    return sum(row["readings"] for row in said.json["rows"]) if said.code == 0 else 0


@pytest.mark.parametrize("fetch", ["false", "true"])
def test_a_legacy_file_needs_fetching_switched_on(tmp_path: Path, capsys: Any, fetch: str) -> None:
    third = make_third(tmp_path)
    settings = third.place / "intertie.toml"
    settings.write_text(settings.read_text().replace("fetch = true", f"fetch = {fetch}"))
    file = tmp_path / "them.file"
    file.write_text(LEGACY.format(url="https://u.example", id="a", sha="0" * 64))
    said = here(capsys, "partner", "legacy", "utility.example", file, "--dir", third.place)
    assert said.code == 1
    assert ("does not fetch" in said.err) == (fetch == "false") and ("custodian.txt" in said.err) == (
        fetch == "true"
    )
