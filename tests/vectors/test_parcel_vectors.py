"""Every case of vectors/parcel by this program."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from intertie.model.errors import RULES, Code, Refused
from intertie.model.ids import party_id
from intertie.seal.certificates import TrustStore, read_certificate
from intertie.seal.encoding import from_base64url
from intertie.seal.hpke import opening_key
from intertie.seal.keys import PrivateKeys, PublicKeys, TlsKey
from intertie.seal.parcel import open_frame, read_frame, verify_manifest

VECTORS = Path(__file__).parents[2] / "vectors"
SHARED = json.loads((VECTORS / "identities.json").read_text(encoding="utf-8"))
CASES = sorted((VECTORS / "parcel").glob("*.json"))


def trust_of(case: dict[str, Any], sender: PublicKeys) -> TrustStore:
    trust = TrustStore.of_pem(SHARED["roots"].encode())
    for revoked in case["revoked"]:
        for (chain,) in sender.signing.values():
            if f"{read_certificate(chain[0]).serial_number:x}" == revoked["serial"]:
                trust = trust.with_revoked(
                    chain[0], datetime.fromisoformat(revoked["since"].replace("Z", "+00:00"))
                )
    return trust


def sender_of(case: dict[str, Any]) -> PublicKeys:
    sender = SHARED["senders"][case["sender"]]
    chains = {alg: (tuple(from_base64url(der) for der in chain),) for alg, chain in sender["chains"].items()}
    return PublicKeys(party_id(sender["party"]), frozenset(), chains, {})


def keys_of(case: dict[str, Any]) -> PrivateKeys:
    lines = SHARED["opening_keys"][case["recipient"]]
    keys = [opening_key(line["suite"], from_base64url(line["private"])) for line in lines]
    opening = {key.kid: key for key in keys}
    return PrivateKeys(party_id(case["recipient"]), frozenset(), {}, opening, TlsKey(b"", b""))


def read_as_the_gateway_does(case: dict[str, Any]) -> tuple[str, list[str]]:
    """Steps 1 to 3 and 6 to 8."""
    sender = sender_of(case)
    frame = read_frame(from_base64url(case["parcel"]), limit=case["limit"])
    if frame.header.sender != sender.party:
        raise Refused(Code.UNKNOWN_SENDER)
    if frame.header.recipient != case["recipient"]:
        raise Refused(Code.WRONG_RECIPIENT)
    opened = open_frame(frame, keys_of(case))
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    verified = verify_manifest(frame, opened, sender, trust_of(case, sender), now)
    return f"ok {verified.profile.name}", [message.decode() for message in opened.messages]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    try:
        found, messages = read_as_the_gateway_does(case)
    except Refused as refused:
        assert refused.code.value == case["expect"], refused
        if refused.step >= 6:
            assert refused.partner == SHARED["senders"][case["sender"]]["party"]
        return
    assert found == case["expect"]
    assert messages == case["messages"]


def test_the_cases_cover_every_code_of_steps_1_to_8_that_needs_no_gateway() -> None:
    elsewhere = {
        *(Code.RATE_LIMITED, Code.SENDER_SUSPENDED, Code.TRANSPORT_NOT_SENDER, Code.TRANSPORT_CERTIFICATE),
        *(Code.INVALID_TOKEN, Code.INSUFFICIENT_SCOPE, Code.PARCEL_ID_REUSED),
        Code.ATTACHMENT_QUOTA,  # it is not about a parcel
        Code.REVOCATION_UNKNOWN,  # in vectors/x509
        *(Code.BAD_WAYBILL, Code.HOP_LIMIT),  # in vectors/relay
        *(Code.RELAY_FULL, Code.NOT_RELAYED),  # of a relay's store
    }
    wanted = {code.value for code, rule in RULES.items() if rule.step <= 8 and code not in elsewhere}
    expects = {json.loads(path.read_text(encoding="utf-8"))["expect"] for path in CASES}
    assert wanted <= expects
    assert len(CASES) >= 40
    assert all(json.loads(path.read_text(encoding="utf-8"))["origin"] for path in CASES)
