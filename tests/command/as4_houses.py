"""Two gateways that speak AS4 with each other, as directories and processes on this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.command.as2_houses import AGGREGATOR, ROLES, UTILITY, Houses
from tests.exchange.uftp_world import TEXT
from tests.ports import free_port

from intertie.cli import run
from intertie.model.ids import PartyId
from intertie.run import Opened

NAMES = {UTILITY: "utility-1", AGGREGATOR: "Sun & Wind"}
TERMS = """
name = "{name}"
roles = ["{role}"]
legacy_until = 2099-12-31

[as4]
party_id = "{name}"
party_type = "urn:own"
url = "http://127.0.0.1:{port}/as4"
certificates = ['''
{pem}''']
service = "urn:intertie:files"
action = "exchange"

[x12]
profile = "ny"
usage = "T"
utility = {{ party = "utility.example", name = "The Utility", number = "006982359" }}
aggregator = {{ party = "aggregator.example", name = "Sun and Wind", number = "123456789" }}

[contract]
agreement = "{agreement}"
buyer = "utility.example"
seller = "aggregator.example"
effective = {effective}
general_terms = {{ title = "Base contract", edition = "2026", sha256 = "{sha256}" }}
calendar = {{ name = "utility", zone = "America/New_York" }}
"""


def legacy_text(party: PartyId, port: int, pem: str) -> str:
    """A legacy file as an operator writes it."""
    effective = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return TERMS.format(
        name=NAMES[party],
        role=ROLES[party],
        port=port,
        pem=pem,
        agreement=TEXT.agreement,
        effective=effective,
        sha256=TEXT.general_terms.sha256,
    )


def make_houses(base: Path) -> Houses:
    """Both, each with the other's legacy file."""
    places = {party: base / party for party in ROLES}
    ports = {party: free_port() for party in ROLES}
    for party, place in places.items():
        url = f"https://127.0.0.1:{free_port()}"
        assert run(["init", party, "--role", ROLES[party], "--url", url, "--dir", str(place)]) == 0
        speak(place, party, f'listen = "127.0.0.1:{ports[party]}"')
    pems = {party: certificate_of(place) for party, place in places.items()}
    for ours, place in places.items():
        there = next(one for one in ROLES if one != ours)
        file = base / f"{there}.file"
        file.write_text(legacy_text(there, ports[there], pems[there]))
        assert run(["partner", "legacy", there, str(file), "--dir", str(place)]) == 0
    return Houses(places, ports)


def speak(place: Path, party: PartyId, more: str = "") -> None:
    """Say who we are in AS4."""
    said = f'[as4]\nparty_id = "{NAMES[party]}"\nparty_type = "urn:own"\n{more}'
    settings = (place / "intertie.toml").read_text().replace("[as4]", said, 1)
    settings = settings.replace("# retry_first_seconds = 1.0", "retry_first_seconds = 0.05")
    settings = settings.replace("# retry_ceiling_seconds = 300.0", "retry_ceiling_seconds = 0.3")
    (place / "intertie.toml").write_text(settings)


def certificate_of(place: Path) -> str:
    """What this gateway gives its partners."""
    it = Opened(place)
    try:
        assert it.as4 is not None
        return it.as4.certificate().decode()
    finally:
        it.close()
