"""Signatures over elements of a SOAP envelope and over its attachments (WS-Security 1.1.1, SwA profile 1.1), by `signxml`.

What was signed is given back as `signxml` digested it: who reads that and nothing else cannot be shown another element under the
same id. Before anything is verified the signature is held to one form: the known algorithms, references by id to elements that
the caller names, ids that stand once, and one transform each.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import InvalidDigest, InvalidSignature, SignXMLException
from signxml.signer import SignatureReference, XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from intertie.seal.cms import Digest, digest_of
from intertie.seal.smime_keys import Certificate, SmimeKey
from intertie.seal.xml_error import XmlError, XmlFlaw

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ATTACHMENT = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform"
DS_PATH = f"{{{DS}}}"
# Messaging, body, time stamp, tokens and attachments: a message has five of them. Each costs a copy of the envelope.
REFERENCES_MAX = 16
_DIGESTS = {
    Digest.SHA256: DigestAlgorithm.SHA256,
    Digest.SHA384: DigestAlgorithm.SHA384,
    Digest.SHA512: DigestAlgorithm.SHA512,
    Digest.SHA1: DigestAlgorithm.SHA1,
}
_METHODS = {
    Digest.SHA256: SignatureMethod.RSA_SHA256,
    Digest.SHA384: SignatureMethod.RSA_SHA384,
    Digest.SHA512: SignatureMethod.RSA_SHA512,
}
_TAKEN = frozenset(
    {
        *_METHODS.values(),
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
    }
)
_BY_SHA1 = frozenset({SignatureMethod.RSA_SHA1, SignatureMethod.ECDSA_SHA1})


class Reference(NamedTuple):
    """A line of a signature: what was signed, and its digest."""

    uri: str
    digest: Digest
    value: bytes


class Verified(NamedTuple):
    """What a signature covers. `elements` by the names that the caller gave them, as they were signed."""

    elements: Mapping[str, Any]
    references: tuple[Reference, ...]
    certificate: Certificate
    raw: tuple[bytes, ...]  # the references as XML, canonical: a receipt repeats them


def sign_parts(
    envelope: Any,
    ids: Sequence[str],
    attachments: Mapping[str, bytes],
    keys: SmimeKey,
    digest: Digest,
    key_info: Any,
) -> Any:
    """A `ds:Signature` over the elements with these ids and over attachments, by their content ids."""

    def add_attachments(signature: Any, signing_settings: object) -> None:
        signed = signature.find(f"{{{DS}}}SignedInfo")
        for cid, content in attachments.items():
            signed.append(_attachment_reference(cid, content, digest))

    signer = XMLSigner(
        SignatureConstructionMethod.detached,
        signature_algorithm=_METHODS[digest],
        digest_algorithm=_DIGESTS[digest],
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signer.signature_annotators.append(add_attachments)
    wanted = [SignatureReference(URI=f"#{one}") for one in ids]
    return signer.sign(envelope, key=keys.key, reference_uri=wanted, key_info=key_info)


def _attachment_reference(cid: str, content: bytes, digest: Digest) -> Any:
    found = etree.Element(f"{{{DS}}}Reference", {"URI": f"cid:{cid}"}, nsmap={"ds": DS})
    transforms = etree.SubElement(found, f"{{{DS}}}Transforms")
    etree.SubElement(transforms, f"{{{DS}}}Transform", {"Algorithm": ATTACHMENT})
    etree.SubElement(found, f"{{{DS}}}DigestMethod", {"Algorithm": _DIGESTS[digest].value})
    value = etree.SubElement(found, f"{{{DS}}}DigestValue")
    value.text = base64.b64encode(digest_of(content, digest)).decode()
    return found


def verify_parts(
    envelope: Any,
    named: Mapping[str, Any],
    attachments: Mapping[str, bytes],
    pinned: Sequence[Certificate],
    *,
    sha1: bool = False,
) -> Verified:
    """What the one signature of an envelope covers, if one of these certificates made it.

    Whether that is valid today is asked by who pinned it. `named` are the elements that a signature may cover. Raises XmlError.
    """
    signature, ids = _signature(envelope), _ids(envelope)
    references = [
        _reference(one, sha1=sha1) for one in signature.findall(f"{DS_PATH}SignedInfo/{DS_PATH}Reference")
    ]
    if not 0 < len(references) <= REFERENCES_MAX:
        raise XmlError(XmlFlaw.UNSUPPORTED, f"{len(references)} references in a signature")
    if len({one.uri for one in references}) != len(references):
        raise XmlError(XmlFlaw.UNSUPPORTED, "a signature with two references to the same")
    _check_methods(signature, sha1=sha1)
    targets = [_target(one, named, ids, attachments) for one in references]
    results, certificate = _verify(envelope, attachments, pinned, len(references), sha1=sha1)
    elements = {}
    for name, result in zip(targets, results, strict=True):
        if name:
            if result.signed_xml is None or result.signed_xml.tag != named[name].tag:
                raise XmlError(XmlFlaw.SIGNATURE_INVALID, f"what was signed is no {name}")
            elements[name] = result.signed_xml
    raw = tuple(
        etree.tostring(one, method="c14n", exclusive=True)
        for one in signature.findall(f"{DS_PATH}SignedInfo/{DS_PATH}Reference")
    )
    return Verified(elements, tuple(references), certificate, raw)


def _signature(envelope: Any) -> Any:
    """The only one: with two, one could be verified and the other read."""
    found = list(envelope.iter(f"{DS_PATH}Signature"))
    if not found:
        raise XmlError(XmlFlaw.NOT_SIGNED, "there is no signature")
    if len(found) > 1:
        raise XmlError(XmlFlaw.UNSUPPORTED, "more than one signature")
    if found[0].find(f"{DS_PATH}Object") is not None:
        raise XmlError(XmlFlaw.UNSUPPORTED, "a signature with objects in it")
    return found[0]


def _ids(envelope: Any) -> dict[str, Any]:
    """Every element with an id, whatever its attribute is called; XmlError for an id that stands twice."""
    found: dict[str, Any] = {}
    for element in envelope.iter(etree.Element):
        for name, value in element.attrib.items():
            if etree.QName(name).localname.lower() != "id":
                continue
            if value in found:
                raise XmlError(XmlFlaw.UNSUPPORTED, "two elements with the same id")
            found[value] = element
    return found


def read_reference(element: Any, *, sha1: bool = False) -> Reference:
    """A `ds:Reference` of a signature, or of the receipt for it. XmlError."""
    return _reference(element, sha1=sha1)


def _reference(element: Any, *, sha1: bool) -> Reference:
    uri = element.get("URI") or ""
    wanted = ATTACHMENT if uri.startswith("cid:") else EXCLUSIVE
    transforms = [one.get("Algorithm") for one in element.findall(f"{DS_PATH}Transforms/{DS_PATH}Transform")]
    if transforms != [wanted] or not (
        uri.startswith("cid:") or (uri[:1] == "#" and uri.count("#") == 1 and len(uri) > 1)
    ):
        raise XmlError(XmlFlaw.UNSUPPORTED, "a reference by another way than its id and its transform")
    algorithm = _algorithm(element, "DigestMethod")
    digest = next((name for name, one in _DIGESTS.items() if one.value == algorithm), None)
    if digest is None or (digest is Digest.SHA1 and not sha1):
        raise XmlError(XmlFlaw.WEAK, "a digest by an algorithm that is not taken")
    try:
        value = base64.b64decode(
            "".join((element.findtext(f"{DS_PATH}DigestValue") or "").split()), validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise XmlError(XmlFlaw.NOT_XML, "a digest is not base64") from error
    return Reference(uri, digest, value)


def _algorithm(element: Any, name: str) -> str:
    found = element.find(f"{DS_PATH}{name}")
    return "" if found is None else str(found.get("Algorithm"))


def _check_methods(signature: Any, *, sha1: bool) -> None:
    info = signature.find(f"{DS_PATH}SignedInfo")
    if _algorithm(info, "CanonicalizationMethod") != EXCLUSIVE:
        raise XmlError(XmlFlaw.UNSUPPORTED, "a signature under another canonical form than the exclusive one")
    method = _algorithm(info, "SignatureMethod")
    if method not in {one.value for one in _methods(sha1=sha1)}:
        raise XmlError(XmlFlaw.WEAK, "a signature by an algorithm that is not taken")


def _methods(*, sha1: bool) -> frozenset[SignatureMethod]:
    return _TAKEN | _BY_SHA1 if sha1 else _TAKEN


def _target(
    reference: Reference, named: Mapping[str, Any], ids: Mapping[str, Any], attachments: Mapping[str, bytes]
) -> str:
    """The caller's name for what is referred to; empty for an attachment."""
    if reference.uri.startswith("cid:"):
        if unquote(reference.uri[4:]) not in attachments:
            raise XmlError(XmlFlaw.SIGNATURE_INVALID, "it signs an attachment that is not there")
        return ""
    element = ids.get(reference.uri[1:])
    for name, one in named.items():
        if one is element:
            return name
    raise XmlError(XmlFlaw.SIGNATURE_INVALID, "it signs an element at a place where none is read")


def _verify(
    envelope: Any,
    attachments: Mapping[str, bytes],
    pinned: Sequence[Certificate],
    count: int,
    *,
    sha1: bool,
) -> tuple[list[Any], Certificate]:
    digests = frozenset(one for name, one in _DIGESTS.items() if sha1 or name is not Digest.SHA1)
    for certificate in pinned:
        config = SignatureConfiguration(
            expect_references=count,
            signature_methods=_methods(sha1=sha1),
            digest_algorithms=digests,
            ignore_ambiguous_key_info=True,  # the key is the pinned one, whatever stands beside the signature
            verification_time=certificate.not_valid_before_utc,
        )
        if not isinstance(certificate.public_key(), (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
            continue
        try:
            found = XMLVerifier().verify(
                envelope,
                x509_cert=certificate,
                parser=_parser(),
                uri_resolver=lambda uri: attachments.get(unquote(uri.removeprefix("cid:"))),
                expect_config=config,
            )
        except InvalidDigest as error:
            raise XmlError(XmlFlaw.SIGNATURE_INVALID, "what was signed has been changed") from error
        except InvalidSignature:
            continue
        except (SignXMLException, etree.LxmlError, ValueError, TypeError, AttributeError, KeyError) as error:
            if len(pinned) > 1 and isinstance(error, SignXMLException):
                continue  # an RSA signature does not fit a pinned EC key
            why = f"a signature that cannot be read ({type(error).__name__})"
            raise XmlError(XmlFlaw.SIGNATURE_INVALID, why) from error
        return (found if isinstance(found, list) else [found]), certificate
    raise XmlError(XmlFlaw.SIGNATURE_INVALID, "none of the pinned certificates made the signature")


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
