"""Two gateways whose parcels go inside AS2, AS4 or Internet ET alone, as processes of their own: settings, doors and loops
as they are served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.command.as2_houses import certificate_of
from tests.command.gateways import command, served
from tests.command.relaying import AGGREGATOR, HOME, Three, both_ways
from tests.interop.parcels_house import put_legacy, set_section, two
from tests.ports import free_port

from intertie.run import opened

SAYS = {
    "as2": 'name = "{name}"\nlisten = "127.0.0.1:{port}"\n',
    "as4": 'party_id = "{name}"\nlisten = "127.0.0.1:{port}"\n',
    "internet_et": 'code = "{code}"\nlisten = "127.0.0.1:{port}"\n',
}
TERMS = {
    "as2": "[as2]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/as2\"\ncertificates = ['''\n{pem}''']",
    "as4": (
        '[as4]\nparty_id = "{name}"\n'
        'url = "http://127.0.0.1:{port}/as4"\nservice = "urn:x:files"\naction = "exchange"\n'
        "certificates = ['''\n{pem}''']"
    ),
    "internet_et": (
        '[internet_et]\ncode = "{code}"\nurl = "http://127.0.0.1:{port}/internet-et"\nrefnums = true\n'
        "keys = ['''\n{pem}''']"
    ),
}
CODES = {AGGREGATOR: "123456789", HOME: "006982359"}
ROLES = {AGGREGATOR: "der_aggregator", HOME: "gateway_esi"}


def key_of(place: Path, kind: str) -> str:
    """What this gateway gives its partners: a certificate, or a key of OpenPGP."""
    if kind == "as2":
        return certificate_of(place)
    with opened(place) as it:
        if kind == "as4":
            assert it.as4 is not None
            return it.as4.certificate().decode()
        assert it.internet_et is not None
        return it.internet_et.public_key()


def two_inside(base: Path, kind: str) -> Three:
    three = two(base)
    places = {AGGREGATOR: three.aggregator, HOME: three.home}
    ports = {party: free_port() for party in places}
    for party, place in places.items():
        set_section(place, kind, SAYS[kind].format(name=party, code=CODES[party], port=ports[party]))
    for party, place in places.items():
        there = HOME if party == AGGREGATOR else AGGREGATOR
        section = TERMS[kind].format(
            name=there, code=CODES[there], port=ports[there], pem=key_of(places[there], kind)
        )
        put_legacy(place, there, ROLES[there], section)
    return three


@pytest.mark.parametrize("kind", ["as2", "as4", "internet_et"])
def test_parcels_and_receipts_go_both_ways_and_their_evidence_verifies(tmp_path: Path, kind: str) -> None:
    three = two_inside(tmp_path, kind)
    shown = command("partner", "show", HOME, "--dir", three.aggregator, "--json").json
    assert shown["goes_by"]["binding"] == "parcels as files"
    with served(three.aggregator), served(three.home):
        sent = both_ways(three, tmp_path)
    for message, directory in sent:
        evidence = tmp_path / f"{message}.evidence"
        made = command("evidence", "export", message, "-o", evidence, "--dir", directory)
        assert made.code == 0, made.err
        root = three.aggregator / "trust" / "trial-ca.pem"
        checked = command("evidence", "verify", evidence, "--trust", root)
        assert checked.code == 0, checked.err
