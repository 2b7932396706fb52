"""What falls short of the policy is found, now or soon, with what to do; and nothing is found where all is well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    END,
    NOW,
    START,
    UTILITY,
    UTILITY_ROLES,
    Pair,
    gateway_of,
    keys_of,
    make_pair,
    partner_of,
    trial_ca,
    with_partner,
)

from intertie.gateway.gateway import FixedTrust, Gateway
from intertie.gateway.operating.check_policy import Dates, Finding, KeyAge, check_policy, flows_between
from intertie.model.errors import Code, Refused
from intertie.seal.algorithm_table import algorithms
from intertie.seal.certificate_facts import algorithm_of_key, chain_of_pem, facts_of
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import generate_keys
from intertie.seal.policy_settings import AlgorithmEnd, KeyDays, PolicySettings

QUARTER = timedelta(days=90)
NO_DATES = Dates(None, {})


def found(
    gateway: Gateway, now: datetime = NOW, within: timedelta = QUARTER, dates: Dates = NO_DATES
) -> list[Finding]:
    return check_policy(gateway, dates, now, within)


def of_kind(findings: Sequence[Finding], kind: str) -> list[Finding]:
    return [one for one in findings if one.kind == kind]


def test_all_is_well() -> None:
    pair = make_pair()
    later = NOW + timedelta(days=600)
    dates = Dates(later, {AGGREGATOR: later}, [KeyAge("store", "wrapping", NOW)])
    assert found(pair.utility, dates=dates) == []


def test_certificates_that_end_soon_then_now() -> None:
    """The fixture's certificates, and the roots above them, end on one day."""
    gateway = make_pair().utility
    soon = of_kind(found(gateway, END - timedelta(days=89)), "certificate")
    assert {one.when for one in soon} == {"soon"} and {one.day for one in soon} == {END.date()}
    subjects = {one.subject for one in soon}
    assert {"our ES256 certificate", "our ML-DSA-65 certificate", "our TLS certificate"} <= subjects
    assert {"aggregator.example's ML-DSA-87 certificate"} <= subjects
    assert any(subject.startswith("trusted root CN=Test EC root") for subject in subjects)
    assert all(one.do for one in soon)
    assert of_kind(found(gateway, END - timedelta(days=91)), "certificate") == []
    over = of_kind(found(gateway, END), "certificate")
    assert len(over) == len(soon) and {one.when for one in over} == {"now"}


def test_keys_older_than_their_period() -> None:
    gateway = replace(
        make_pair().utility, policy=PolicySettings(key_days=KeyDays(signature=40, tls=200, sealing=100))
    )
    keys = of_kind(found(gateway), "key")
    assert {one.subject for one in keys if one.when == "soon"} == {
        "our ES256 key",
        "our ES384 key",
        "our ML-DSA-65 key",
        "our ML-DSA-87 key",
        "our X25519 key",
        "our MLKEM768-X25519 key",
        "our MLKEM1024-P384 key",
    }
    assert all("SP 800-57" in one.why for one in keys)
    late = of_kind(found(gateway, START + timedelta(days=41)), "key")
    assert {one.subject for one in late if one.when == "now"} == {
        "our ES256 key",
        "our ES384 key",
        "our ML-DSA-65 key",
        "our ML-DSA-87 key",
    }


def test_keys_of_the_store_are_looked_at_too() -> None:
    dates = Dates(None, {}, [KeyAge("January's data", "data", NOW - timedelta(days=31))])
    (one,) = found(make_pair().utility, dates=dates)
    assert (one.when, one.kind, one.subject) == ("now", "key", "January's data key")


def test_descriptors_that_end() -> None:
    soon, over = NOW + timedelta(days=10), NOW - timedelta(days=1)
    first, second = found(make_pair().utility, dates=Dates(soon, {AGGREGATOR: over}))
    assert (first.when, first.kind, first.subject) == ("now", "descriptor", "aggregator.example's descriptor")
    assert "intertie partner add" in first.do
    assert (second.when, second.subject, second.day) == ("soon", "our descriptor", soon.date())


def weak_partner() -> Pair:
    weak = generate_keys(
        AGGREGATOR, AGGREGATOR_ROLES, trial_ca(), NOW, ("classical",), not_before=START, not_after=END
    )
    utility = keys_of(UTILITY, UTILITY_ROLES)
    return Pair(gateway_of(utility, [weak]), gateway_of(weak, [utility]))


def test_a_partner_that_lacks_keys_for_flows_between_us() -> None:
    (one,) = found(weak_partner().utility)
    assert (one.when, one.kind, one.subject) == ("now", "partner", AGGREGATOR)
    assert "need hybrid (DA/" in one.why and "aggregator.example has no keys for it" in one.why
    (ours,) = found(weak_partner().aggregator)
    assert ours.subject == UTILITY and "aggregator.example has no keys" in ours.why


def test_a_partner_that_will_lack_them_soon() -> None:
    """In November 2030, what must hold for 30 days does so before the horizon; in December it does not."""
    pair = weak_partner()
    policy = PolicySettings(harvest_horizon=NOW.date() + timedelta(days=2600))
    gateway = replace(pair.utility, policy=policy)
    (one,) = found(gateway)
    assert one.when == "soon" and "flows between us need hybrid" in one.why
    assert found(gateway, within=timedelta(days=10)) == []


def test_a_suspended_partner_lacks_nothing() -> None:
    pair = weak_partner()
    partner = partner_of(pair.aggregator.keys)._replace(suspended=True)
    assert found(with_partner(pair.utility, partner)) == []


def test_algorithms_that_end_before_what_they_protect() -> None:
    """Every hybrid KEM is said to fall in 2030: nothing stronger is left, and that is said."""
    ends = tuple(
        AlgorithmEnd(algorithm=name, day=date(2030, 1, 1)) for name in ("MLKEM768-X25519", "MLKEM1024-P384")
    )
    gateway = replace(make_pair().utility, policy=PolicySettings(ends=ends))
    one = next(one for one in found(gateway) if one.when == "now")
    assert (one.kind, one.subject, one.day) == ("algorithm", "hybrid-high", date(2030, 1, 1))
    assert "ask for longer" in one.why and "Renew evidence" in one.do


def test_a_key_that_the_table_does_not_know() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    gateway = make_pair().utility
    trust = TrustStore((*gateway.trust.roots, root_of(key)))
    (one,) = found(replace(gateway, trust_book=FixedTrust(trust)))
    assert (one.when, one.kind) == ("now", "algorithm") and "Ed25519" in one.why


def test_a_root_whose_algorithm_ends_before_it_does() -> None:
    """RSA-2048 is over after 2030, whatever its certificate says."""
    gateway = make_pair().utility
    ends = (AlgorithmEnd(algorithm="RSA-2048", day=NOW.date() + timedelta(days=30)),)
    trust = TrustStore((*gateway.trust.roots, root_of(rsa.generate_private_key(65537, 2048))))
    gateway = replace(gateway, trust_book=FixedTrust(trust), policy=PolicySettings(ends=ends))
    (one,) = found(gateway)
    assert (one.when, one.kind, one.day) == ("soon", "algorithm", ends[0].day)
    assert "its key is RSA-2048, until" in one.why
    assert found(gateway, within=timedelta(days=29)) == []
    assert found(gateway, NOW + timedelta(days=31))[0].when == "now"


def root_of(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Other")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(START).not_valid_after(END)
    return builder.sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)


@pytest.mark.parametrize(
    ("generate", "name"),
    [
        (partial(ec.generate_private_key, ec.SECP256R1()), "ES256"),
        (partial(ec.generate_private_key, ec.SECP384R1()), "ES384"),
        (partial(ec.generate_private_key, ec.SECP521R1()), "secp521r1"),
        (partial(rsa.generate_private_key, 65537, 2048), "RSA-2048"),
        (partial(rsa.generate_private_key, 65537, 1024), "RSA-1024"),
        (mldsa.MLDSA65PrivateKey.generate, "ML-DSA-65"),
        (mldsa.MLDSA87PrivateKey.generate, "ML-DSA-87"),
    ],
    ids=lambda of: of if isinstance(of, str) else "",
)
def test_what_a_key_is_called(generate: Callable[[], ec.EllipticCurvePrivateKey], name: str) -> None:
    key = generate()
    assert algorithm_of_key(key.public_key()) == name
    assert (name in algorithms()) == (name not in {"secp521r1", "RSA-1024"})


def test_facts_of_a_certificate() -> None:
    certificate = root_of(rsa.generate_private_key(65537, 2048))
    facts = facts_of(certificate.public_bytes(Encoding.DER))
    assert (facts.subject, facts.issuer, facts.algorithm) == ("CN=Other", "CN=Other", "RSA-2048")
    assert (facts.start, facts.end, facts.serial) == (START, END, "1")
    with pytest.raises(Refused) as refused:
        chain_of_pem(b"no certificate")
    assert refused.value.code is Code.CERTIFICATE_UNTRUSTED


def test_flows_between_two_parties() -> None:
    catalogue = make_pair().utility.catalogue
    flows = flows_between(catalogue, UTILITY_ROLES, AGGREGATOR_ROLES)
    assert {flow.interface for flow in flows} == {"DA", "ET12", "ET14"}
    assert {flow.sender in UTILITY_ROLES for flow in flows} == {True, False}
    assert flows_between(catalogue, UTILITY_ROLES, frozenset()) == []
