"""Two gateways whose parcels go inside AS2 or AS4 alone, as processes of their own: the settings, the doors and the loops as they
are served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.command.as2_houses import certificate_of
from tests.command.gateways import command, served
from tests.command.relaying import AGGREGATOR, HOME, Three
from tests.interop.parcels_house import put_legacy, set_section, two
from tests.ports import free_port

from intertie.run import opened

SAYS = {
    "as2": 'name = "{name}"\nlisten = "127.0.0.1:{port}"\n',
    "as4": 'party_id = "{name}"\nlisten = "127.0.0.1:{port}"\n',
}
TERMS = {
    "as2": "[as2]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/as2\"\ncertificates = ['''\n{pem}''']",
    "as4": (
        '[as4]\nparty_id = "{name}"\n'
        'url = "http://127.0.0.1:{port}/as4"\nservice = "urn:x:files"\naction = "exchange"\n'
        "certificates = ['''\n{pem}''']"
    ),
}
ROLES = {AGGREGATOR: "der_aggregator", HOME: "gateway_esi"}


def as4_certificate_of(place: Path) -> str:
    with opened(place) as it:
        assert it.as4 is not None
        return it.as4.certificate().decode()


def two_inside(base: Path, kind: str) -> Three:
    three = two(base)
    places = {AGGREGATOR: three.aggregator, HOME: three.home}
    ports = {party: free_port() for party in places}
    for party, place in places.items():
        set_section(place, kind, SAYS[kind].format(name=party, port=ports[party]))
    pem_of = certificate_of if kind == "as2" else as4_certificate_of
    for party, place in places.items():
        there = HOME if party == AGGREGATOR else AGGREGATOR
        section = TERMS[kind].format(name=there, port=ports[there], pem=pem_of(places[there]))
        put_legacy(place, there, ROLES[there], section)
    return three


@pytest.mark.parametrize("kind", ["as2", "as4"])
def test_parcels_and_receipts_go_both_ways_and_their_evidence_verifies(tmp_path: Path, kind: str) -> None:
    three = two_inside(tmp_path, kind)
    shown = command("partner", "show", HOME, "--dir", three.aggregator, "--json").json
    assert shown["goes_by"]["binding"] == "parcels as files"
    with served(three.aggregator), served(three.home):
        for document, directory, to in (
            ("charging_command", three.aggregator, HOME),
            ("charging_status", three.home, AGGREGATOR),
        ):
            body = tmp_path / f"{document}.json"
            body.write_text(command("example", document).out)
            sent = command(
                "send", body, "--to", to, "--document", document, "--interface", "ET8", "--mode", "real_time",
                "--wait", "60", "--dir", directory, "--json",
            )  # fmt: skip
            (message,) = sent.json["messages"]
            assert message["state"] == "accepted", message
            evidence = tmp_path / f"{document}.evidence"
            made = command("evidence", "export", message["id"], "-o", evidence, "--dir", directory)
            assert made.code == 0, made.err
            root = three.aggregator / "trust" / "trial-ca.pem"
            checked = command("evidence", "verify", evidence, "--trust", root)
            assert checked.code == 0, checked.err
