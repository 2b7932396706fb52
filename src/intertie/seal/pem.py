"""Certificate chains as people hand them over: PEM, leaf first or not, with or without the root."""

from __future__ import annotations

from cryptography import x509

from intertie.model.errors import SettingsError
from intertie.seal.certificates import Chain
from intertie.seal.issuing import der
from intertie.seal.x509_path import PARSE_ERRORS

# Six certificates of 10 KB each, in base64.
CHAIN_BYTES_MAX = 128 * 1024


def read_chain(data: bytes, name: str) -> Chain:
    """The certificates of a PEM file in order, leaf first, without roots: those are in the trust folder or not believed.

    SettingsError, with the file's `name`, if there is none, or they do not follow each other.
    """
    try:
        if len(data) > CHAIN_BYTES_MAX:
            raise ValueError(f"more than {CHAIN_BYTES_MAX} bytes")
        certificates = x509.load_pem_x509_certificates(data)
    except PARSE_ERRORS as error:
        raise SettingsError(
            f"{name} is no certificate chain: {error}",
            do="It should hold PEM certificates, the party's first.",
        ) from error
    rest = [one for one in certificates if one.subject != one.issuer] or certificates[:1]
    ordered = [_leaf(rest)]
    while len(ordered) < len(rest):
        above = [one for one in rest if one not in ordered and one.subject == ordered[-1].issuer]
        if not above:
            raise SettingsError(
                f"{name}: nothing in it issued the certificate of {ordered[-1].subject.rfc4514_string()}",
                do="Leave out what does not belong to the chain.",
            )
        ordered.append(above[0])
    return tuple(der(one) for one in ordered)


def _leaf(certificates: list[x509.Certificate]) -> x509.Certificate:
    """The one that issued none of the others."""
    issuers = {one.issuer for one in certificates}
    return next((one for one in certificates if one.subject not in issuers), certificates[0])
