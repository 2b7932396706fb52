"""Two gateways that speak AS2 with each other, as directories and processes on this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from tests.exchange.uftp_world import TEXT
from tests.ports import free_port

from intertie.cli import run
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.system import OutageNotice
from intertie.run import Opened

UTILITY, AGGREGATOR = PartyId("utility.example"), PartyId("aggregator.example")
ROLES = {UTILITY: "distribution_utility", AGGREGATOR: "der_aggregator"}
NAMES = {UTILITY: "UTILITY", AGGREGATOR: "Sun & Wind"}
TERMS = """
name = "{name}"
roles = ["{role}"]
legacy_until = 2099-12-31

[as2]
name = "{name}"
url = "http://127.0.0.1:{port}/as2"
certificates = ['''
{pem}''']
receipt = "{receipt}"

[x12]
profile = "ny"
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


class Houses(NamedTuple):
    """Where they are, and where their doors for AS2."""

    places: dict[PartyId, Path]
    ports: dict[PartyId, int]


def legacy_text(party: PartyId, port: int, pem: str, receipt: str = "sync") -> str:
    """A legacy file as an operator writes it."""
    effective = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return TERMS.format(
        name=NAMES[party],
        role=ROLES[party],
        port=port,
        pem=pem,
        receipt=receipt,
        agreement=TEXT.agreement,
        effective=effective,
        sha256=TEXT.general_terms.sha256,
    )


def make_houses(base: Path, receipt: str = "sync") -> Houses:
    """Both, each with the other's legacy file."""
    places = {party: base / party for party in ROLES}
    ports = {party: free_port() for party in ROLES}
    for party, place in places.items():
        url = f"https://127.0.0.1:{free_port()}"
        assert run(["init", party, "--role", ROLES[party], "--url", url, "--dir", str(place)]) == 0
        said = f'[as2]\nname = "{NAMES[party]}"\nlisten = "127.0.0.1:{ports[party]}"\n'
        said += f'receipts_url = "http://127.0.0.1:{ports[party]}/as2"'
        settings = (place / "intertie.toml").read_text().replace("[as2]", said, 1)
        settings = settings.replace("# retry_first_seconds = 1.0", "retry_first_seconds = 0.05")
        settings = settings.replace("# retry_ceiling_seconds = 300.0", "retry_ceiling_seconds = 0.3")
        (place / "intertie.toml").write_text(settings)
    pems = {party: certificate_of(place) for party, place in places.items()}
    for ours, place in places.items():
        there = next(one for one in ROLES if one != ours)
        file = base / f"{there}.file"
        file.write_text(legacy_text(there, ports[there], pems[there], receipt))
        assert run(["partner", "legacy", there, str(file), "--dir", str(place)]) == 0
    return Houses(places, ports)


def certificate_of(place: Path) -> str:
    """What this gateway gives its partners."""
    it = Opened(place)
    try:
        assert it.as2 is not None
        return it.as2.certificate().decode()
    finally:
        it.close()


def notices(it: Opened, count: int, first: int) -> list[MessageId]:
    """Outages, each another one."""
    _, body = example(DocumentName("outage_notice"))
    assert isinstance(body, OutageNotice)
    now = datetime.now(UTC)
    out = [
        Outgoing(
            body=replace(body, outage=f"OUT-{first + n}"),
            recipient=AGGREGATOR,
            interface=InterfaceCode("DA"),
            mode=Mode.REAL_TIME,
            agreement=AgreementId(TEXT.agreement),
            expires=now + timedelta(hours=2),
        )
        for n in range(count)
    ]
    return send(it.gateway, out, now)
