"""Every case of vectors/relay by this program: a relay of the shared parties takes it or refuses it, and evidence is verified."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.house import Book, keys_of

from intertie.catalogue.load import load_catalogue
from intertie.gateway.configuration.relay_settings import RelayRules, Route
from intertie.gateway.gateway import FixedKeys, FixedTrust, Gateway, Limits, Partner, Peer
from intertie.gateway.receiving.receive import receive
from intertie.model.errors import EvidenceError, Refused
from intertie.model.ids import PartyId, party_id
from intertie.model.party import Party, Role
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import from_base64url
from intertie.seal.evidence import verify_evidence
from intertie.seal.hop import read_hop
from intertie.seal.keys import PublicKeys
from intertie.stores.memory import MemoryStore

VECTORS = Path(__file__).parents[2] / "vectors"
SHARED = json.loads((VECTORS / "relay_parties.json").read_text(encoding="utf-8"))
CASES = sorted((VECTORS / "relay").glob("*.json"))
ROLES = {
    "agg.example": frozenset({Role.DER_AGGREGATOR, Role.METER}),
    "home.example": frozenset({Role.GATEWAY_ESI, Role.DISTRIBUTION_UTILITY}),
    "hub.example": frozenset({Role.THIRD_PARTY}),
}


@lru_cache(maxsize=1)
def trusted() -> TrustStore:
    return TrustStore.of_pem(SHARED["roots"].encode())


def partner(party: str, chains: dict[str, Any]) -> Partner:
    signing = {
        alg: tuple(tuple(from_base64url(der) for der in chain) for chain in those)
        for alg, those in chains.items()
    }
    keys = PublicKeys(party=PartyId(party), roles=ROLES[party], signing=signing, sealing={})
    return Partner(PartyId(party), party, ROLES[party], keys, f"https://{party}", (), False)


def relay() -> Gateway:
    """The relay of the cases. Another relay may hand in on the same route."""
    us = party_id(SHARED["us"])
    keys = keys_of(us, frozenset({Role.THIRD_PARTY}))
    (route,) = SHARED["routes"]
    plain = Route(senders=(route["from"],), recipients=(route["to"],))
    behind = [Route(senders=plain.senders, recipients=plain.recipients, by=by) for by in ("hub.example", us)]
    return Gateway(
        party=Party(id=us, name=us, roles=keys.roles),
        ring=FixedKeys(keys),
        trust_book=FixedTrust(trusted()),
        partners=Book([partner(party, chains) for party, chains in SHARED["parties"].items()]),
        catalogue=load_catalogue(),
        store=MemoryStore(),
        limits=Limits(),
        relay=RelayRules(routes=(plain, *behind)),
    )


def verdict(case: dict[str, Any]) -> str:
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    if "evidence" in case:
        try:
            verify_evidence(from_base64url(case["evidence"]), trusted(), now)
        except EvidenceError as error:
            return f"step {error.step}"
        return "ok"
    gateway = relay()
    try:
        raw = receive(gateway, from_base64url(case["consignment"]), peer=Peer(PartyId(case["peer"])), now=now)
    except Refused as refused:
        assert not gateway.store.relayed_rows(waiting=False, limit=1)
        return refused.code.value
    return f"ok {read_hop(raw).hop.hop}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert verdict(case) == case["expect"]


def test_there_is_a_case_for_each_rule_of_a_relay() -> None:
    expected = {json.loads(path.read_text(encoding="utf-8"))["expect"] for path in CASES}
    assert expected >= {
        "bad_frame", "bad_waybill", "unknown_sender", "wrong_recipient", "transport_not_sender", "hop_limit",
        "signature_missing", "signature_invalid", "unknown_certificate", "root_mismatch", "protection_too_weak",
        "unknown_flow", "relay_not_allowed", "expired", "step 14", "step 15", "step 16",
    }  # fmt: skip


def test_which_flows_may_go_by_a_relay_is_what_the_catalogue_says() -> None:
    assert {flow.key: flow.relay for flow in load_catalogue().flows()} == SHARED["flows"]
