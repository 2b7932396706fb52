"""Whose certificate a TLS connection showed, judged by the gateway's own clock and trust.

The engine has proved that the peer holds the key, and that some trusted root vouches for it. What it does not know is
asked here: whether that root may vouch for that party, what was revoked, what time it is for this gateway, and that the
certificate was made for this side of TLS. So revocation and new trust take effect on connections that are open, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.seal.algorithms import is_post_quantum
from intertie.seal.certificates import (
    CHAIN_MAX,
    Chain,
    TrustStore,
    party_of_certificate,
    read_certificate,
)
from intertie.seal.transport import Transport

# Three that are needed, and as many that a server sends along without need (its root, a cross-signed authority).
SENT_MAX = 6
# A verdict is asked for again after this long, whatever else happens: revocation lists grow old too.
VERDICT_LIFE = timedelta(seconds=60)

_PARSE_ERRORS = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm)


class TlsPeer(NamedTuple):
    """A party, and from when until when that is certain with unchanged trust."""

    party: PartyId
    since: datetime
    until: datetime


def check_tls_chain(
    chain: Sequence[bytes], trust: TrustStore, now: datetime, *, host: str | None = None
) -> TlsPeer:
    """Who the peer is. `host` is the name or address that a client called; None when the peer is the client.

    Holds the chain (DER, leaf first) to: one party's name, a path to a root that may vouch for this party, of one
    family of algorithms, valid at `now`, not revoked, made for TLS on this side, and for `host`.
    Raises Refused(TRANSPORT_CERTIFICATE).
    """
    try:
        return _check(chain, trust, now, host)
    except Refused as refused:
        raise Refused(Code.TRANSPORT_CERTIFICATE, refused.detail, partner=refused.partner) from refused
    except (VerificationError, *_PARSE_ERRORS) as error:
        raise Refused(Code.TRANSPORT_CERTIFICATE, str(error)) from error


def _check(chain: Sequence[bytes], trust: TrustStore, now: datetime, host: str | None) -> TlsPeer:
    if not 1 <= len(chain) <= SENT_MAX:
        raise _refused(f"the peer sent {len(chain)} certificates")
    leaf, *others = [read_certificate(der) for der in chain]
    party = party_of_certificate(chain[0])
    since, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not since <= now <= end:
        raise _refused(
            f"the certificate is valid from {since.isoformat()} to {end.isoformat()}, not {now.isoformat()}"
        )
    _check_usage(leaf, ExtendedKeyUsageOID.CLIENT_AUTH if host is None else ExtendedKeyUsageOID.SERVER_AUTH)
    post_quantum = is_post_quantum(leaf.public_key())
    roots = trust.family(post_quantum=post_quantum, party=party)
    if not roots:
        raise _refused(f"no root is trusted for {party} and this family of algorithms")
    path = _path(leaf, others, roots, now, host)
    if any(is_post_quantum(certificate.public_key()) != post_quantum for certificate in path):
        raise _refused("the chain mixes families of algorithms")
    revoked = [c for c in path if trust.is_revoked(_der(c), now)]
    if revoked:
        raise _refused(f"certificate {revoked[0].serial_number:x} is revoked")
    until = min(now + VERDICT_LIFE, *(certificate.not_valid_after_utc for certificate in path))
    if any(trust.is_revoked(_der(certificate), until) for certificate in path):
        until = now  # revoked within the minute: then every request asks
    return TlsPeer(party, now, until)


def _path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    now: datetime,
    host: str | None,
) -> Sequence[x509.Certificate]:
    """RFC 5280 path validation by `cryptography`: from the leaf to one of the roots; VerificationError if there is none."""
    builder = (
        PolicyBuilder()
        .store(Store(list(roots)))
        .time(now)
        .max_chain_depth(CHAIN_MAX)
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.webpki_defaults_ee()
        )
    )
    if host is None:
        return builder.build_client_verifier().verify(leaf, list(others)).chain
    return builder.build_server_verifier(_subject(host)).verify(leaf, list(others))


def _subject(host: str) -> x509.DNSName | x509.IPAddress:
    """RFC 9525: an address is compared as an address, everything else as a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _check_usage(leaf: x509.Certificate, purpose: ObjectIdentifier) -> None:
    """RFC 5280 s.4.2.1.12: a certificate without the extension is for any use; ours are for TLS and say so."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise _refused("the certificate does not say that it is for TLS") from error
    if not usage.digital_signature or purpose not in purposes:
        raise _refused("the certificate is not for this side of TLS")


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _refused(detail: str) -> Refused:
    return Refused(Code.TRANSPORT_CERTIFICATE, detail)


@dataclass
class TlsConnection:
    """An open connection: what it is, the certificates that the peer sent, and the last verdict on them."""

    transport: Transport
    chain: Chain
    # The name or address that was called; None when the peer is the client.
    host: str | None = None
    _trust: TrustStore | None = None
    _peer: TlsPeer | None = None

    def party(self, trust: TrustStore, now: datetime) -> PartyId:
        """Who is at the other end, under this trust, now; Refused(TRANSPORT_CERTIFICATE).

        Asked for each request. The certificates are looked at again when trust is another object than before, or when
        the last verdict has grown old.
        """
        peer = self._peer
        if peer is None or trust is not self._trust or not peer.since <= now <= peer.until:
            self._peer = None
            peer = check_tls_chain(self.chain, trust, now, host=self.host)
            self._trust, self._peer = trust, peer
        return peer.party
