"""What must be refused is refused, each with its own code, and leaves nothing behind but the refusal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    AGREEMENT,
    NOW,
    STRANGER,
    UTILITY,
    UTILITY_ROLES,
    Pair,
    keys_of,
    make_pair,
    partner_of,
    with_partner,
)

from intertie.gateway.gateway import Gateway, Peer
from intertie.gateway.ports import Query
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.sending.send_message import Outgoing, check_outgoing, send
from intertie.model.documents import example, example_bytes, read_message
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName, InterfaceCode, PartyId, new_message_id, new_parcel_id
from intertie.model.message import Header, Mode, write_message
from intertie.model.party import Role
from intertie.seal.keys import PrivateKeys
from intertie.seal.parcel import _assemble
from intertie.seal.profile import PROFILES
from intertie.seal.receipt import Outcome, Receipt, verify_receipt

DA = InterfaceCode("DA")


def message(now: datetime = NOW, **changes: object) -> bytes:
    """An availability declaration from the aggregator to the utility, with some header fields changed."""
    _, body = example(DocumentName("availability_declaration"))
    header = Header(
        id=new_message_id(now),
        verb="created",  # type: ignore[arg-type]
        document=DocumentName("availability_declaration"),
        version=1,
        interface=DA,
        mode=Mode.SCHEDULED,
        sender=AGGREGATOR,
        recipient=UTILITY,
        agreement=AGREEMENT,
        created=now,
        expires=now + timedelta(hours=1),
    )
    return write_message(msgspec.structs.replace(header, **changes), body)


def seal(
    pair: Pair,
    messages: Sequence[bytes],
    *,
    profile: str = "hybrid",
    keys: PrivateKeys | None = None,
    seq: int = 1,
) -> bytes:
    return _assemble(
        messages,
        parcel=new_parcel_id(NOW),
        recipient=pair.utility.keys.public(),
        seq=seq,
        created=NOW,
        profile=PROFILES[profile],
        keys=keys or pair.aggregator.keys,
    ).blob


def outcomes(pair: Pair, blob: bytes, now: datetime = NOW) -> tuple[Outcome, ...]:
    return read_receipt(pair, accept(pair.utility, blob, peer=Peer(AGGREGATOR), now=now)).outcomes


def read_receipt(pair: Pair, raw: bytes) -> Receipt:
    writer = pair.utility.keys.public()
    return verify_receipt(
        raw, writer=writer, trust=pair.aggregator.trust, now=NOW, least=PROFILES["classical"]
    )


def nothing_kept(gateway: Gateway) -> bool:
    return gateway.store.messages(Query(outgoing=False)) == []


def refused_whole(pair: Pair, blob: bytes, *, peer: PartyId = AGGREGATOR, now: datetime = NOW) -> Code:
    """The code; and the store holds nothing but this refusal."""
    with pytest.raises(Refused) as caught:
        accept(pair.utility, blob, peer=None if peer is None else Peer(peer), now=now)
    assert nothing_kept(pair.utility)
    kept = [refusal for _, refusal in pair.utility.store.refusals()]
    if pair.utility.partners.find(peer):
        assert [r.code for r in kept] == [caught.value.code.value]
        assert kept[0].digest == hashlib.sha256(blob).digest()
    else:
        assert kept == []
    return caught.value.code


def refused_message(pair: Pair, raw: bytes, now: datetime = NOW) -> str | None:
    """The code of the one message's outcome; a good message in the same parcel is accepted all the same."""
    good = message(now)
    bad, fine = outcomes(pair, seal(pair, [raw, good]), now)
    assert fine.status == "accepted" and bad.status == "refused"
    assert len(pair.utility.store.messages(Query(outgoing=False))) == 1
    (kept,) = pair.utility.store.refusals()
    assert kept[1].code == bad.code
    return bad.code


def test_a_good_parcel_is_accepted() -> None:
    pair = make_pair()
    (outcome,) = outcomes(pair, seal(pair, [message()]))
    assert outcome.status == "accepted" and outcome.code is None


def test_wrong_partys_certificate_on_the_connection() -> None:
    pair = make_pair()
    blob = seal(pair, [message()])
    assert refused_whole(pair, blob, peer=STRANGER) is Code.TRANSPORT_NOT_SENDER


def test_wrong_partys_signing_certificate_with_a_valid_chain() -> None:
    pair = make_pair()
    stranger = keys_of(STRANGER, AGGREGATOR_ROLES)
    stolen_name = PrivateKeys(
        party=AGGREGATOR,
        roles=stranger.roles,
        signing=stranger.signing,
        opening=stranger.opening,
        tls=stranger.tls,
    )
    code = refused_whole(pair, seal(pair, [message()], keys=stolen_name))
    assert code is Code.UNKNOWN_CERTIFICATE


def test_unknown_sender() -> None:
    pair = make_pair()
    keys = keys_of(STRANGER, AGGREGATOR_ROLES)
    assert refused_whole(pair, seal(pair, [message()], keys=keys), peer=STRANGER) is Code.UNKNOWN_SENDER


def test_suspended_sender() -> None:
    pair = make_pair()
    blob = seal(pair, [message()])
    partner = partner_of(pair.aggregator.keys)._replace(suspended=True)
    pair = Pair(with_partner(pair.utility, partner), pair.aggregator)
    assert refused_whole(pair, blob) is Code.SENDER_SUSPENDED


def test_parcel_for_another_party() -> None:
    pair = make_pair()
    stranger = keys_of(STRANGER, UTILITY_ROLES)
    blob = _assemble(
        [message()],
        parcel=new_parcel_id(NOW),
        recipient=stranger.public(),
        seq=1,
        created=NOW,
        profile=PROFILES["hybrid"],
        keys=pair.aggregator.keys,
    ).blob
    assert refused_whole(pair, blob) is Code.WRONG_RECIPIENT


def test_expired_certificate() -> None:
    end = NOW + timedelta(days=2)
    pair = make_pair()
    short = keys_of(AGGREGATOR, AGGREGATOR_ROLES, end)
    blob = seal(pair, [message(NOW)], keys=short)
    pair = Pair(with_partner(pair.utility, partner_of(short)), pair.aggregator)
    assert refused_whole(pair, blob, now=end + timedelta(days=1)) is Code.CERTIFICATE_EXPIRED


@pytest.mark.parametrize("offset", [0, 5, 20, 40, 120, 200])
def test_altered_parcel(offset: int) -> None:
    pair = make_pair()
    blob = bytearray(seal(pair, [message()]))
    blob[offset] ^= 1
    with pytest.raises(Refused) as caught:
        accept(pair.utility, bytes(blob), peer=Peer(AGGREGATOR), now=NOW)
    assert caught.value.step in {2, 3, 4, 6} and nothing_kept(pair.utility)


def test_altered_ciphertext() -> None:
    pair = make_pair()
    blob = bytearray(seal(pair, [message()]))
    blob[-1] ^= 1
    assert refused_whole(pair, bytes(blob)) is Code.CANNOT_OPEN


def test_classical_only_where_hybrid_is_needed() -> None:
    """An invoice must hold for years: a classical parcel is too weak for it, whatever it says."""
    pair = make_pair()
    _, body = example(DocumentName("invoice"))
    header, _ = read_message(message())
    changes = {"document": DocumentName("invoice"), "verb": header.verb}
    raw = write_message(msgspec.structs.replace(header, **changes), body)
    (outcome,) = outcomes(pair, seal(pair, [raw], profile="classical"))
    assert outcome.code == "protection_too_weak" and nothing_kept(pair.utility)


def test_replay_gets_the_very_same_receipt_and_changes_nothing() -> None:
    pair = make_pair()
    blob = seal(pair, [message()])
    first = accept(pair.utility, blob, peer=Peer(AGGREGATOR), now=NOW)
    size = pair.utility.store.head().size
    assert accept(pair.utility, blob, peer=Peer(AGGREGATOR), now=NOW + timedelta(days=2)) == first
    assert pair.utility.store.head().size == size
    assert len(pair.utility.store.messages(Query(outgoing=False))) == 1


def test_same_message_in_another_parcel_is_a_duplicate_even_when_expired() -> None:
    pair = make_pair()
    raw = message()
    outcomes(pair, seal(pair, [raw]))
    (again,) = outcomes(pair, seal(pair, [raw], seq=2), NOW + timedelta(hours=5))
    assert again.status == "duplicate"
    assert len(pair.utility.store.messages(Query(outgoing=False))) == 1


def test_same_message_twice_in_one_parcel() -> None:
    pair = make_pair()
    raw = message()
    first, second = outcomes(pair, seal(pair, [raw, raw]))
    assert (first.status, second.status) == ("accepted", "duplicate")


def test_same_id_with_other_bytes() -> None:
    pair = make_pair()
    raw = message()
    outcomes(pair, seal(pair, [raw]))
    header, body = read_message(raw)
    other = write_message(msgspec.structs.replace(header, priority=9), body)
    (outcome,) = outcomes(pair, seal(pair, [other], seq=2))
    assert outcome.code == "message_id_reused"
    assert [row.body for row in pair.utility.store.messages(Query(outgoing=False))] == [raw]


def test_same_parcel_id_with_other_bytes() -> None:
    pair = make_pair()
    parcel = new_parcel_id(NOW)

    def blob() -> bytes:
        return _assemble(
            [message()],
            parcel=parcel,
            recipient=pair.utility.keys.public(),
            seq=1,
            created=NOW,
            profile=PROFILES["hybrid"],
            keys=pair.aggregator.keys,
        ).blob

    accept(pair.utility, blob(), peer=Peer(AGGREGATOR), now=NOW)
    with pytest.raises(Refused) as caught:
        accept(pair.utility, blob(), peer=Peer(AGGREGATOR), now=NOW)
    assert caught.value.code is Code.PARCEL_ID_REUSED
    assert len(pair.utility.store.messages(Query(outgoing=False))) == 1


def test_unknown_flow() -> None:
    assert refused_message(make_pair(), message(mode=Mode.REGISTRATION)) == "unknown_flow"


def test_unknown_interface() -> None:
    assert refused_message(make_pair(), message(interface=InterfaceCode("XX9"))) == "unknown_flow"


def test_wrong_role() -> None:
    """An outage notice goes from the utility to the aggregator, never back."""
    _, body = example(DocumentName("outage_notice"))
    header, _ = read_message(message())
    changes = {"document": DocumentName("outage_notice"), "mode": Mode.REAL_TIME}
    raw = write_message(msgspec.structs.replace(header, **changes), body)
    assert refused_message(make_pair(), raw) == "wrong_role"


def test_expired_message() -> None:
    raw = message(NOW - timedelta(hours=3), expires=NOW - timedelta(seconds=1))
    assert refused_message(make_pair(), raw) == "expired"


def test_message_from_the_future() -> None:
    later = NOW + timedelta(minutes=10)
    assert (
        refused_message(make_pair(), message(created=later, expires=later + timedelta(hours=1)))
        == "from_the_future"
    )


def test_message_within_the_clock_skew_is_accepted() -> None:
    pair = make_pair()
    soon = NOW + timedelta(seconds=pair.utility.limits.clock_skew_seconds - 1)
    (outcome,) = outcomes(pair, seal(pair, [message(created=soon, expires=soon + timedelta(hours=1))]))
    assert outcome.status == "accepted"


def test_header_of_another_party() -> None:
    assert refused_message(make_pair(), message(sender=STRANGER)) == "header_not_parcel"


def test_agreement_not_in_force() -> None:
    assert refused_message(make_pair(), message(agreement="DGS-1999-001")) == "agreement_not_in_force"
    assert refused_message(make_pair(), message(agreement=None)) == "agreement_not_in_force"


def test_body_that_does_not_fit_its_schema() -> None:
    raw = message().replace(b'"revision":', b'"reversion":', 1)
    assert refused_message(make_pair(), raw) == "schema"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"header":{},"body":{}}',
        b"[" * 100_000,
        b'{"header":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b',"body":1}',
    ],
    ids=["empty", "text", "list", "object", "not-utf8", "no-fields", "deep-list", "deep-object"],
)
def test_what_is_no_message(raw: bytes) -> None:
    assert refused_message(make_pair(), raw) == "bad_message"


def test_deep_json_in_the_body() -> None:
    header, _ = read_message(message())
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    raw = b'{"header":' + msgspec.json.encode(header) + b',"body":' + deep + b"}"
    assert refused_message(make_pair(), raw) in {"bad_message", "schema"}


def test_too_large() -> None:
    pair = make_pair()
    limit = pair.utility.limits.parcel_bytes
    assert refused_whole(pair, b"ITP1" + bytes(limit)) is Code.TOO_LARGE


def test_a_stranger_writes_nothing_to_our_disk() -> None:
    pair = make_pair()
    assert refused_whole(pair, b"rubbish", peer=STRANGER) is Code.BAD_FRAME
    assert pair.utility.store.head().size == 0


def test_sending_what_the_partner_would_refuse_is_refused_here() -> None:
    pair = make_pair()
    for raw, code in [
        (message(mode=Mode.REGISTRATION), Code.UNKNOWN_FLOW),
        (message(agreement=None), Code.AGREEMENT_NOT_IN_FORCE),
        (message(sender=STRANGER), Code.HEADER_NOT_PARCEL),
        (message(recipient=STRANGER), Code.UNKNOWN_SENDER),
        (message(NOW - timedelta(hours=3), expires=NOW - timedelta(hours=1)), Code.EXPIRED),
    ]:
        with pytest.raises(Refused) as caught:
            check_outgoing(pair.aggregator, raw, NOW)
        assert caught.value.code is code


def test_all_or_none_is_queued() -> None:
    pair = make_pair()
    _, body = example(DocumentName("availability_declaration"))
    good = Outgoing(body=body, recipient=UTILITY, interface=DA, mode=Mode.SCHEDULED, agreement=AGREEMENT)
    bad = msgspec.structs.replace(good, agreement=None)
    with pytest.raises(Refused):
        send(pair.aggregator, [good, bad], NOW)
    assert pair.aggregator.store.messages(Query(outgoing=True)) == []


def test_a_role_that_the_partner_lost_counts_at_once() -> None:
    pair = make_pair()
    partner = partner_of(pair.aggregator.keys)._replace(roles=frozenset({Role.METER}))
    pair = Pair(with_partner(pair.utility, partner), pair.aggregator)
    (outcome,) = outcomes(pair, seal(pair, [message()]))
    assert outcome.code == "wrong_role"


def test_the_examples_are_what_their_documents_say() -> None:
    assert b'"availability_declaration"' in example_bytes(DocumentName("availability_declaration"))
