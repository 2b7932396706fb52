"""Before a certificate from an authority is put to use: is it what was asked for, and will partners accept it?"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.algorithms import SIGNATURE_ALGORITHMS, public_key_fits
from intertie.seal.certificates import (
    Chain,
    TrustStore,
    check_chain,
    party_of_certificate,
    public_key_of,
    read_certificate,
)
from intertie.seal.issuing import TLS_PURPOSES
from intertie.seal.x509_path import PARSE_ERRORS

TLS_PART = "tls"


def check_issued(
    part: str, public: object, chain: Chain, trust: TrustStore, party: PartyId, now: datetime
) -> None:
    """Hold a chain for one of our new keys to everything that partners will ask: it is for this key and names us, leads to
    a root that is trusted here through authorities of one family, is valid now, not revoked, and allowed what the key is
    for. `part` is the signature algorithm, or "tls". SettingsError says what to ask the authority for.
    """
    if public_key_of(chain[0]) != public:
        raise SettingsError(
            f"the certificate for {part} is for another key", do="Ask for one for the request made here."
        )
    try:
        if part == TLS_PART:
            _check_tls(chain, trust, party, now)
        elif part in SIGNATURE_ALGORITHMS and public_key_fits(part, public):
            check_chain(chain, trust, party, now)
        else:
            raise SettingsError(f"there is no key for {part}")
    except Refused as refused:
        raise SettingsError(
            f"the certificate for {part} would be refused: {refused.code}: {refused.detail}",
            do="If its root is not trusted yet: intertie trust add ROOT.pem. Else ask the authority for another.",
        ) from refused


def _check_tls(chain: Chain, trust: TrustStore, party: PartyId, now: datetime) -> None:
    path = trust.path(chain, party, now)
    named = party_of_certificate(chain[0])
    if named != party:
        raise SettingsError(f"the certificate for tls is {named}'s", do="It has to name this party.")
    leaf = read_certificate(chain[0])
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        good = usage.digital_signature and purposes >= set(TLS_PURPOSES)
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        good = False
    if not good:
        raise SettingsError(
            "the certificate for tls is not for both sides of TLS",
            do="Ask for key usage digitalSignature and extended key usage serverAuth and clientAuth.",
        )
    trust.check_status(path, party, now)
