"""WS-Security in an envelope: who signed it, and how its attachment is encrypted (AS4 profile s.5.1.4 to 5.1.7)."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple
from urllib.parse import unquote

from lxml import etree

from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.names import (
    BASE64,
    CIPHERTEXT,
    CONTENT_ONLY,
    DS,
    ENCRYPTED_KEY,
    WSSE11,
    WSU,
    WSU_ID,
    X509,
    XENC,
    XENC11,
    ds,
    wsse,
    xenc,
)
from intertie.formats.as4.xml import Envelope
from intertie.seal.cms import CipherName, Digest
from intertie.seal.smime_keys import Certificate, certificate_der, read_der
from intertie.seal.xml_encryption import Oaep

_OAEP, _OAEP_MGF1P = f"{XENC11}rsa-oaep", f"{XENC}rsa-oaep-mgf1p"
_CIPHERS = {CipherName.AES128_GCM: f"{XENC11}aes128-gcm", CipherName.AES256_GCM: f"{XENC11}aes256-gcm"}
_DIGESTS = {
    f"{DS}sha1": Digest.SHA1,
    f"{XENC}sha256": Digest.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": Digest.SHA384,
    f"{XENC}sha512": Digest.SHA512,
}
_MASKS = {
    f"{XENC11}mgf1sha1": Digest.SHA1,
    f"{XENC11}mgf1sha256": Digest.SHA256,
    f"{XENC11}mgf1sha384": Digest.SHA384,
    f"{XENC11}mgf1sha512": Digest.SHA512,
}


class Encryption(NamedTuple):
    """How an attachment is encrypted."""

    cid: str
    key: bytes  # encrypted
    oaep: Oaep
    cipher: CipherName
    kind: str = ""  # what it is, once decrypted


def add_token(security: Any, certificate: Certificate, identity: str) -> None:
    """A certificate, by its id."""
    token = etree.SubElement(
        security, wsse("BinarySecurityToken"), {"EncodingType": BASE64, "ValueType": X509, WSU_ID: identity}
    )
    token.text = base64.b64encode(certificate_der(certificate)).decode()


def key_info(uri: str, *, kind: str = "") -> Any:
    """A `ds:KeyInfo` that refers to a token or an encrypted key of the same header."""
    info = etree.Element(ds("KeyInfo"), nsmap={"ds": DS})
    reference = etree.SubElement(info, wsse("SecurityTokenReference"), nsmap={"wsse11": WSSE11})
    said = {"URI": uri}
    if kind:
        reference.set(f"{{{WSSE11}}}TokenType", kind)
    else:
        said["ValueType"] = X509
    etree.SubElement(reference, wsse("Reference"), said)
    return info


def add_encryption(security: Any, what: Encryption, certificate: Certificate, identity: str) -> None:
    """The recipient's certificate, the key that is encrypted for it, and which attachment is encrypted with that."""
    token, key, data = (f"{name}-{identity}" for name in ("recipient", "key", "data"))
    add_token(security, certificate, token)
    encrypted = etree.SubElement(security, xenc("EncryptedKey"), {"Id": key})
    method = etree.SubElement(encrypted, xenc("EncryptionMethod"), {"Algorithm": _OAEP})
    etree.SubElement(method, ds("DigestMethod"), {"Algorithm": _named(_DIGESTS, what.oaep.digest)})
    etree.SubElement(
        method, f"{{{XENC11}}}MGF", {"Algorithm": _named(_MASKS, what.oaep.mask)}, nsmap={"xenc11": XENC11}
    )
    encrypted.append(key_info(f"#{token}"))
    value = etree.SubElement(etree.SubElement(encrypted, xenc("CipherData")), xenc("CipherValue"))
    value.text = base64.b64encode(what.key).decode()
    listed = etree.SubElement(encrypted, xenc("ReferenceList"))
    etree.SubElement(listed, xenc("DataReference"), {"URI": f"#{data}"})
    found = etree.SubElement(
        security, xenc("EncryptedData"), {"Id": data, "MimeType": what.kind, "Type": CONTENT_ONLY}
    )
    etree.SubElement(found, xenc("EncryptionMethod"), {"Algorithm": _CIPHERS[what.cipher]})
    found.append(key_info(f"#{key}", kind=ENCRYPTED_KEY))
    place = etree.SubElement(etree.SubElement(found, xenc("CipherData")), xenc("CipherReference"))
    place.set("URI", f"cid:{what.cid}")
    transforms = etree.SubElement(place, xenc("Transforms"))
    etree.SubElement(transforms, ds("Transform"), {"Algorithm": CIPHERTEXT})


def _named(names: dict[str, Digest], digest: Digest) -> str:
    return next(uri for uri, one in names.items() if one is digest)


def read_encryption(envelope: Envelope) -> Encryption | None:
    """How the one attachment is encrypted; None if none is. Raises As4Error(UNSUPPORTED | WEAK)."""
    keys = [] if envelope.security is None else envelope.security.findall(xenc("EncryptedKey"))
    data = list(envelope.root.iter(xenc("EncryptedData")))
    if not keys and not data:
        return None
    if len(keys) != 1 or len(data) != 1 or data[0].getparent() is not envelope.security:
        raise As4Error(Flaw.UNSUPPORTED, "another encryption than of one attachment with one key")
    key, found = keys[0], data[0]
    listed = [one.get("URI") for one in key.findall(f"{xenc('ReferenceList')}/{xenc('DataReference')}")]
    if listed != [f"#{found.get('Id')}"]:
        raise As4Error(Flaw.UNSUPPORTED, "the encrypted key is for something else")
    place = found.find(f"{xenc('CipherData')}/{xenc('CipherReference')}")
    uri = "" if place is None else place.get("URI") or ""
    transforms = [] if place is None else place.findall(f"{xenc('Transforms')}/{ds('Transform')}")
    as_is = [one.get("Algorithm") for one in transforms] == [CIPHERTEXT]
    if found.get("Type") != CONTENT_ONLY or not uri.startswith("cid:") or not as_is:
        raise As4Error(Flaw.UNSUPPORTED, "another encryption than of an attachment's content")
    return Encryption(
        content_id(uri), _cipher_value(key), _oaep(key), _cipher(found), found.get("MimeType") or ""
    )


def content_id(uri: str) -> str:
    """Of a `cid:` URI (RFC 2392): some programs escape its characters."""
    return unquote(uri.removeprefix("cid:"))


def _cipher_value(key: Any) -> bytes:
    return _base64(key.findtext(f"{xenc('CipherData')}/{xenc('CipherValue')}") or "")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise As4Error(Flaw.NOT_XML, "a key or a certificate is not base64") from error


def _oaep(key: Any) -> Oaep:
    """The hashes of an encrypted key; what is not said is SHA-1 (XML Encryption 1.1 s.5.5.2)."""
    method = key.find(xenc("EncryptionMethod"))
    algorithm = _algorithm(method)
    if algorithm not in (_OAEP, _OAEP_MGF1P):
        raise As4Error(Flaw.WEAK, "a key that is moved by another algorithm than RSA-OAEP")
    digest = _DIGESTS.get(_algorithm(method.find(ds("DigestMethod"))) or f"{DS}sha1")
    said = "" if algorithm == _OAEP_MGF1P else _algorithm(method.find(f"{{{XENC11}}}MGF"))
    mask = _MASKS.get(said or f"{XENC11}mgf1sha1")
    if digest is None or mask is None or method.find(xenc("OAEPparams")) is not None:
        raise As4Error(Flaw.UNSUPPORTED, "RSA-OAEP with parameters that are not taken")
    return Oaep(digest, mask)


def _cipher(data: Any) -> CipherName:
    algorithm = _algorithm(data.find(xenc("EncryptionMethod")))
    for name, uri in _CIPHERS.items():
        if uri == algorithm:
            return name
    raise As4Error(Flaw.WEAK, "a cipher other than AES-GCM")


def _algorithm(element: Any) -> str:
    return "" if element is None else element.get("Algorithm") or ""


def signable(envelope: Envelope) -> dict[str, Any]:
    """What a signature of this envelope may cover: never anything else in it."""
    named = {"messaging": envelope.messaging, "body": envelope.body}
    if envelope.security is not None:
        stamp = envelope.security.findall(f"{{{WSU}}}Timestamp")
        tokens = envelope.security.findall(wsse("BinarySecurityToken"))
        named |= {f"stamp {number}": one for number, one in enumerate(stamp)}
        named |= {f"token {number}": one for number, one in enumerate(tokens)}
    return named


def token_certificate(envelope: Envelope) -> Certificate:
    """The certificate that stands beside a signature. It is the signer's own word: whoever trusts it has it from elsewhere.
    Raises As4Error."""
    signature = None if envelope.security is None else envelope.security.find(ds("Signature"))
    uri = None
    if signature is not None:
        place = signature.find(f"{ds('KeyInfo')}/{wsse('SecurityTokenReference')}/{wsse('Reference')}")
        uri = None if place is None else place.get("URI")
    for token in () if envelope.security is None else envelope.security.findall(wsse("BinarySecurityToken")):
        if uri == f"#{token.get(WSU_ID)}":
            return read_der(_base64(token.text or ""))
    raise As4Error(Flaw.UNSUPPORTED, "a signature without its certificate beside it")
