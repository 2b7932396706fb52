"""Certificate chains: the path, then lists and OCSP answers, by docs/identity.md."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from reading.base import No, b64, extension, find_path, instant, is_strong, need

# Chains of vectors/x509: the path, then lists and OCSP answers


def read_trust_list(pem: str, roots: list[x509.Certificate]) -> x509.CertificateRevocationList:
    """A complete list by one authority; in the name of a root it must be signed by it."""
    bad = "trust_unusable"
    crl = x509.load_pem_x509_crl(pem.encode())
    known = x509.AuthorityKeyIdentifier | x509.CRLNumber | x509.IssuingDistributionPoint
    need(all(isinstance(e.value, known) or not e.critical for e in crl.extensions), bad)
    scope = extension(crl, x509.IssuingDistributionPoint)
    need(
        not (
            scope and (scope.indirect_crl or scope.only_some_reasons or scope.only_contains_attribute_certs)
        ),
        bad,
    )
    for entry in crl:
        kinds = x509.CRLReason | x509.InvalidityDate
        need(all(isinstance(e.value, kinds) or not e.critical for e in entry.extensions), bad)
    named = [root for root in roots if root.subject == crl.issuer]
    need(not named or any(signed_list(crl, root) for root in named), bad)
    return crl


def signed_list(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    usage = extension(issuer, x509.KeyUsage)
    return bool(
        crl.issuer == issuer.subject
        and usage is not None
        and usage.crl_sign
        and is_strong(issuer.public_key())
        and crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    )


def covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    scope = extension(crl, x509.IssuingDistributionPoint)
    if scope is None:
        return True
    basic = extension(certificate, x509.BasicConstraints)
    authority = basic is not None and basic.ca
    if (scope.only_contains_user_certs and authority) or (scope.only_contains_ca_certs and not authority):
        return False
    points = extension(certificate, x509.CRLDistributionPoints) or ()
    places = {name.value for point in points for name in point.full_name or ()}
    return scope.full_name is None or bool(places & {name.value for name in scope.full_name})


def listed_since(crls: list[x509.CertificateRevocationList], certificate: x509.Certificate) -> list[datetime]:
    """Since when each list says so. A hold counts only in the newest."""
    compromised = {
        x509.ReasonFlags.key_compromise,
        x509.ReasonFlags.ca_compromise,
        x509.ReasonFlags.aa_compromise,
    }
    newest = max((crl.last_update_utc for crl in crls), default=None)
    found = []
    for crl in crls:
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        said = extension(entry, x509.CRLReason) if entry is not None else None
        reason = said.reason if said is not None else None
        held = reason == x509.ReasonFlags.certificate_hold and crl.last_update_utc != newest
        if entry is None or reason == x509.ReasonFlags.remove_from_crl or held:
            continue
        found.append(entry.revocation_date_utc)
        invalid = extension(entry, x509.InvalidityDate)
        if invalid is not None and reason in compromised:
            found.append(invalid.invalidity_date_utc)
    return found


def answer_counts(answer: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    wanted = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, answer.hash_algorithm).build()
    parts = ("serial_number", "issuer_name_hash", "issuer_key_hash")
    if any(getattr(answer, part) != getattr(wanted, part) for part in parts):
        return False
    for signer in (issuer, *answer.certificates):
        digest = x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest
        if digest != answer.responder_key_hash and signer.subject != answer.responder_name:
            continue
        if signer != issuer and not delegated(signer, issuer, answer.produced_at_utc):
            return False
        return signature_holds(answer, signer.public_key())
    return False


def delegated(responder: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    try:
        responder.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    purposes = extension(responder, x509.ExtendedKeyUsage) or ()
    return (
        "1.3.6.1.5.5.7.3.9" in {one.dotted_string for one in purposes}
        and responder.not_valid_before_utc <= at <= responder.not_valid_after_utc
        and is_strong(responder.public_key())
    )


def signature_holds(answer: ocsp.OCSPResponse, key: Any) -> bool:
    more: tuple[Any, ...] = ()
    if isinstance(key, ec.EllipticCurvePublicKey):
        more = (ec.ECDSA(answer.signature_hash_algorithm),)  # type: ignore[arg-type]
    elif isinstance(key, rsa.RSAPublicKey):
        more = (padding.PKCS1v15(), answer.signature_hash_algorithm)
    try:
        key.verify(answer.signature, answer.tbs_response_bytes, *more)
    except InvalidSignature:
        return False
    return True


def check_status(path: list[x509.Certificate], case: dict[str, Any], now: datetime) -> None:
    roots = [root for one in case["roots"] for root in x509.load_pem_x509_certificates(one["pem"].encode())]
    read = [(read_trust_list(one["pem"], roots), one["only"]) for one in case["lists"]]
    lists = [crl for crl, only in read if only in (None, case["party"])]
    answers = [ocsp.load_der_ocsp_response(b64(text, "bad_case")) for text in case["answers"]]
    unsure = False
    for certificate, issuer in pairwise(path):
        own = [crl for crl in lists if signed_list(crl, issuer) and covers(crl, certificate)]
        said = [answer for answer in answers if answer_counts(answer, certificate, issuer)]
        since = listed_since(own, certificate)
        since += [answer.revocation_time_utc for answer in said if answer.revocation_time_utc]
        need(not any(one <= now for one in since), "certificate_revoked")
        fresh = any(crl.next_update_utc and now <= crl.next_update_utc for crl in own)
        fresh = fresh or any(good_at(answer, now) for answer in said)
        listed = bool(said) or any(crl.issuer == certificate.issuer for crl in lists)
        demanded = {"never": False, "if_listed": listed, "always": True}[case["require"]]
        unsure = unsure or (demanded and not fresh)
    need(not unsure, "revocation_unknown")


def good_at(answer: ocsp.OCSPResponse, now: datetime) -> bool:
    if answer.certificate_status == ocsp.OCSPCertStatus.REVOKED:
        return bool(answer.revocation_time_utc and now < answer.revocation_time_utc)
    end = answer.next_update_utc or answer.this_update_utc + timedelta(days=1)
    return answer.certificate_status == ocsp.OCSPCertStatus.GOOD and now <= end


def judge(path: Path) -> tuple[str, str]:
    """Expected and found: "ok" or a code."""
    case = json.loads(path.read_text(encoding="utf-8"))
    now = instant(case["now"])
    try:
        roots = [
            root
            for one in case["roots"]
            if one["only"] in (None, case["party"])
            for root in x509.load_pem_x509_certificates(one["pem"].encode())
        ]
        everybody = [r for one in case["roots"] for r in x509.load_pem_x509_certificates(one["pem"].encode())]
        for one in case["lists"]:
            read_trust_list(one["pem"], everybody)
        ders = [b64(text, "bad_case") for text in case["chain"]]
        check_status(find_path(ders, roots, case["party"], now), case, now)
    except No as no:
        return case["expect"], str(no.args[0])
    return case["expect"], "ok"
