"""Revocation lists: what vectors/x509 has no room for: times, bounds, joining, and what the rules ask for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from seal_world import NOW, World

from intertie.model.errors import Code, Refused, SettingsError
from intertie.seal.certificates import TrustStore, check_chain, read_certificate
from intertie.seal.issuing import Publishing, Revocation, leaf_certificate, sign_list
from intertie.seal.revocation import (
    LIST_BYTES_MAX,
    Entry,
    RevocationList,
    TrustRules,
    crl_urls,
    read_list,
    revoked_since,
)

WEEK, SECOND = timedelta(days=7), timedelta(seconds=1)


def der_of(pem: bytes) -> bytes:
    return x509.load_pem_x509_crl(pem).public_bytes(Encoding.DER)


def empty(world: World, since: datetime = NOW, number: int = 1) -> bytes:
    return sign_list(world.ca.classical, [], number, since, since + WEEK)


def code_of(world: World, trust: TrustStore, at: datetime = NOW) -> Code | None:
    try:
        check_chain(world.agg.signing["ES256"].chain, trust, world.agg.party, at)
    except Refused as refused:
        assert refused.partner == world.agg.party
        return refused.code
    return None


def test_a_list_as_der_and_as_pem_is_the_same(world: World) -> None:
    pem = empty(world)
    assert read_list(pem) == read_list(der_of(pem))
    assert read_list(pem).pem() == pem
    assert read_list(b"Certificate Revocation List (CRL):\n" + pem) == read_list(pem)
    assert (read_list(pem).number, read_list(pem).since, read_list(pem).until) == (1, NOW, NOW + WEEK)


@pytest.mark.parametrize(
    "data", [b"", b"\x30\x00", b"-----BEGIN X509 CRL-----\n", bytes(LIST_BYTES_MAX + 1)], ids=len
)
def test_what_is_no_list(data: bytes) -> None:
    with pytest.raises(SettingsError, match="revocation list"):
        read_list(data)


def test_it_holds_to_the_second_of_its_next_update_and_the_tolerance(world: World) -> None:
    trust = world.trust.with_lists(empty(world))
    assert code_of(world, trust, NOW + WEEK) is None
    assert code_of(world, trust, NOW + WEEK + SECOND) is Code.REVOCATION_UNKNOWN
    tolerant = trust.under(TrustRules(skew_seconds=30))
    assert code_of(world, tolerant, NOW + WEEK + 30 * SECOND) is None
    assert code_of(world, tolerant, NOW + WEEK + 31 * SECOND) is Code.REVOCATION_UNKNOWN


def test_a_newer_list_makes_up_for_an_old_one(world: World) -> None:
    later = NOW + WEEK + SECOND
    trust = world.trust.with_lists(empty(world), empty(world, later, 2))
    assert code_of(world, trust, later) is None


def test_evidence_is_judged_by_lists_that_came_later(world: World) -> None:
    """A signature of before the revocation stays good, one of after it does not, whatever the list's own date."""
    serial = read_certificate(world.agg.signing["ES256"].chain[0]).serial_number
    revoked = [Revocation(serial, NOW + WEEK, x509.ReasonFlags.superseded)]
    much_later = NOW + 50 * WEEK
    trust = world.trust.with_lists(sign_list(world.ca.classical, revoked, 9, much_later, much_later + WEEK))
    assert code_of(world, trust, NOW) is None
    assert code_of(world, trust, NOW + WEEK - SECOND) is None
    assert code_of(world, trust, NOW + WEEK) is Code.CERTIFICATE_REVOKED


def test_the_rules(world: World) -> None:
    stale = world.trust.with_lists(empty(world, NOW - 2 * WEEK))
    assert {
        rule: code_of(world, stale.under(TrustRules(require=rule))) for rule in ("never", "if_listed")
    } == {
        "never": None,
        "if_listed": Code.REVOCATION_UNKNOWN,
    }
    assert code_of(world, world.trust.under(TrustRules(require="always"))) is Code.REVOCATION_UNKNOWN
    assert code_of(world, world.trust) is None


def test_a_list_of_one_family_says_nothing_of_the_other(world: World) -> None:
    stale = world.trust.with_lists(empty(world, NOW - 2 * WEEK))
    check_chain(world.agg.signing["ML-DSA-65"].chain, stale, world.agg.party, NOW)


def test_tolerance_for_young_and_old_certificates(world: World) -> None:
    leaf = read_certificate(world.agg.signing["ES256"].chain[0])
    tolerant = world.trust.under(TrustRules(skew_seconds=30))
    for edge, sign in ((leaf.not_valid_before_utc, -1), (leaf.not_valid_after_utc, 1)):
        assert code_of(world, tolerant, edge + sign * 30 * SECOND) is None
        assert code_of(world, tolerant, edge + sign * 31 * SECOND) is Code.CERTIFICATE_EXPIRED


def test_a_confined_list_speaks_for_its_party_alone(world: World) -> None:
    stale = TrustStore.of_pem(world.ca.roots_pem(), empty(world, NOW - 2 * WEEK))
    trust = world.trust.joined(stale.confined_to(world.util.party))
    assert code_of(world, trust) is None
    with pytest.raises(Refused, match="revocation_unknown"):
        check_chain(world.util.signing["ES256"].chain, trust, world.util.party, NOW)


def test_joining_keeps_each_list_once(world: World) -> None:
    trust = world.trust.with_lists(empty(world))
    assert len(trust.joined(trust).lists) == 1
    assert len(trust.joined(world.trust.with_lists(empty(world, NOW, 2))).lists) == 2


def test_no_list_without_a_next_update_or_of_nobody(world: World) -> None:
    key = world.ca.classical.key
    builder = x509.CertificateRevocationListBuilder().issuer_name(world.ca.classical.certificate.subject)
    crl = builder.last_update(NOW).next_update(NOW + WEEK).sign(key, hashes.SHA384())
    assert read_list(crl.public_bytes(Encoding.DER)).number == 0
    forged = replace(read_list(empty(world)), issuer=b"nobody")
    assert not forged.signed_by(world.ca.classical.certificate)
    assert not read_list(empty(world)).signed_by(world.ca.post_quantum.certificate)


def test_where_certificates_say_that_lists_are(world: World) -> None:
    public = world.agg.signing["ES256"].key.public_key()
    place = Publishing("http://ca.example/ec.crl", "http://ca.example/")
    with_urls = leaf_certificate(
        world.agg.party,
        public,
        world.ca.classical,
        NOW,
        NOW + WEEK,
        purpose="signing",
        publishing=place,  # type: ignore[arg-type]
    )
    assert crl_urls(with_urls) == ("http://ca.example/ec.crl",)
    assert crl_urls(read_certificate(world.agg.signing["ES256"].chain[0])) == ()


entries = st.tuples(st.integers(0, 50), st.booleans(), st.integers(0, 9), st.integers(0, 50))


@given(st.lists(entries, max_size=6))
def test_the_earliest_word_counts_except_for_holds(
    world: World, said: list[tuple[int, bool, int, int]]
) -> None:
    """(days, hold, number, list's day): a hold counts if the newest list has it; everything else counts for ever."""
    leaf = read_certificate(world.agg.signing["ES256"].chain[0])
    lists = [
        RevocationList(
            der=b"",
            issuer=b"",
            number=number,
            since=NOW + timedelta(days=day),
            until=NOW + WEEK,
            entries={leaf.serial_number: Entry(NOW + timedelta(days=days), hold)},
        )
        for days, hold, number, day in said
    ]
    found = revoked_since(lists, leaf)
    lasting = [days for days, hold, *_ in said if not hold]
    newest = max((day, number) for *_, number, day in said) if said else None
    held = [days for days, _, number, day in said if (day, number) == newest]
    if not said:
        assert found is None
    elif lasting:
        assert found is not None
        assert found <= NOW + timedelta(days=min(lasting))
        assert found >= NOW + timedelta(days=min(lasting + held))
    elif found is not None:
        assert found in {NOW + timedelta(days=days) for days in held}
    assert revoked_since(lists[::-1], leaf) is None or found is not None


def test_a_list_is_read_once_whatever_it_is_confined_to(world: World) -> None:
    data = der_of(empty(world))
    confined = read_list(data, frozenset({world.util.party}))
    assert read_list(bytes(bytearray(data))).entries is confined.entries
    assert (read_list(data).only, confined.only) == (None, frozenset({world.util.party}))
