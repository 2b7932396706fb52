"""The parts of S/MIME that AS2 needs (RFC 5652, 3274, 5083, 5084): detached signatures, envelopes, compression.

What the kept libraries have is theirs: `PKCS7SignatureBuilder` signs and `PKCS7EnvelopeBuilder` makes AES-CBC envelopes; keys are
moved, content decrypted and signatures verified by the primitives of `cryptography`. What it has no function for is read and
written as the structures of `asn1crypto.cms`: verifying a signature against one pinned certificate, AES-GCM and RSA-OAEP, and
compression. Envelopes are read that way too, since `pkcs7_decrypt_der` takes only DER and many programs write BER.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from intertie.model.errors import Fault, IntertieError
from intertie.seal.ber_bound import is_bounded

# RFC 3274 streams are fed to zlib so much at a time: what one call can make of it stays within the bound that was asked for.
CHUNK = 64 * 1024
# RFC 5084: as long as it gets.
TAG_BYTES = 16
NONCE_BYTES = 12
# More signers or recipients than any partner has: each costs a public-key operation.
INFOS_MAX = 16
# A key shorter than this is broken within the life of what it protects (SP 800-57, 112 bits of security).
RSA_BITS_MIN = 2048


class Digest(StrEnum):
    """Hashes of signatures and MICs, by their names in MIME (RFC 5751 s.3.4.3.2)."""

    SHA256 = "sha-256"
    SHA384 = "sha-384"
    SHA512 = "sha-512"
    SHA1 = "sha-1"


class CipherName(StrEnum):
    """What content is encrypted with."""

    AES128_GCM = "aes128-gcm"
    AES256_GCM = "aes256-gcm"
    AES128_CBC = "aes128-cbc"
    AES256_CBC = "aes256-cbc"
    TRIPLE_DES = "3des"


class Transport(StrEnum):
    """How the content's key is encrypted for its recipient."""

    OAEP = "rsa-oaep"
    PKCS1 = "rsa-pkcs1"


class CmsFlaw(StrEnum):
    """What is wrong with a structure."""

    NOT_CMS = "not_cms"
    WEAK = "weak"
    UNSUPPORTED = "unsupported"
    NOT_FOR_US = "not_for_us"
    CANNOT_DECRYPT = "cannot_decrypt"
    SIGNATURE_INVALID = "signature_invalid"
    NOT_THE_SIGNER = "not_the_signer"
    CANNOT_DECOMPRESS = "cannot_decompress"
    TOO_LARGE = "too_large"


class CmsError(IntertieError):
    """A structure that is not taken; `flaw` says why."""

    fault = Fault.THEIRS

    def __init__(self, flaw: CmsFlaw, why: str, *, do: str = "") -> None:
        super().__init__(f"{flaw}: {why}", do=do)
        self.flaw = flaw


SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_HASHES: dict[Digest, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
}
_CIPHERS = {
    "aes128_gcm": CipherName.AES128_GCM,
    "aes256_gcm": CipherName.AES256_GCM,
    "aes128_cbc": CipherName.AES128_CBC,
    "aes256_cbc": CipherName.AES256_CBC,
    "tripledes_3key": CipherName.TRIPLE_DES,
}
_NAMES = {cipher: name for name, cipher in _CIPHERS.items()}
_KEY_BYTES = {
    CipherName.AES128_GCM: 16,
    CipherName.AES256_GCM: 32,
    CipherName.AES128_CBC: 16,
    CipherName.AES256_CBC: 32,
    CipherName.TRIPLE_DES: 24,
}


@contextmanager
def _reading(flaw: CmsFlaw, what: str) -> Iterator[None]:
    """Everything that a parser of ASN.1 says of hostile bytes becomes one named error."""
    try:
        yield
    except CmsError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise CmsError(flaw, f"{what} cannot be read ({type(error).__name__})") from error
    except (RecursionError, UnsupportedAlgorithm, MemoryError) as error:
        raise CmsError(flaw, f"{what} is not of a form that is taken ({type(error).__name__})") from error


def digest_of(content: bytes, digest: Digest) -> bytes:
    """The hash, as signatures and MICs have it."""
    return hashlib.new(digest.replace("-", ""), content, usedforsecurity=False).digest()


def digest_named(name: str) -> Digest | None:
    """By the names that are in use (`sha256`, `SHA-256`, `sha1`); None for others."""
    plain = name.strip().strip('"').lower().replace("-", "").replace("_", "")
    return next((one for one in Digest if one.replace("-", "") == plain), None)


def _load(raw: bytes) -> Any:
    if not is_bounded(raw):
        raise CmsError(CmsFlaw.NOT_CMS, "not whole, too deep, or in more pieces than its size explains")
    return cms.ContentInfo.load(raw, strict=True)


def _content(raw: bytes, kind: str) -> Any:
    """The structure of this type inside a ContentInfo."""
    with _reading(CmsFlaw.NOT_CMS, kind):
        info = _load(raw)
        if info["content_type"].native != kind:
            raise CmsError(CmsFlaw.NOT_CMS, f"{info['content_type'].native} in place of {kind}")
        return info["content"]


def kind_of(raw: bytes) -> str:
    """What a ContentInfo holds, in the words of asn1crypto (`enveloped_data`). CmsError."""
    with _reading(CmsFlaw.NOT_CMS, "the structure"):
        return str(_load(raw)["content_type"].native)


# Signatures


def sign(content: bytes, key: SigningKey, certificate: x509.Certificate, digest: Digest) -> bytes:
    """A detached signature with its certificate and the time, in DER. CmsError for a digest that nobody should sign with."""
    if digest not in _HASHES:
        raise CmsError(CmsFlaw.WEAK, f"{digest} signs nothing here", do="Choose sha-256 or longer.")
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, _HASHES[digest])
    options = pkcs7.PKCS7Options
    return builder.sign(Encoding.DER, [options.DetachedSignature, options.Binary, options.NoCapabilities])


def verify(content: bytes, raw: bytes, certificates: tuple[x509.Certificate, ...], *, sha1: bool) -> Digest:
    """The digest of the signature that one of these certificates made over the content. Certificates that the message brings are
    not looked at. Raises CmsError."""
    signed = _content(raw, "signed_data")
    with _reading(CmsFlaw.NOT_CMS, "the signature"):
        inside = signed["encap_content_info"]["content"].native
        if inside is not None and inside != content:
            raise CmsError(CmsFlaw.SIGNATURE_INVALID, "it is over a content of its own")
        infos = list(signed["signer_infos"])
    if not 0 < len(infos) <= INFOS_MAX:
        raise CmsError(CmsFlaw.NOT_CMS, f"{len(infos)} signers")
    for info in infos:
        with _reading(CmsFlaw.NOT_CMS, "the signer"):
            certificate = next((one for one in certificates if _names(info["sid"], one)), None)
            if certificate is not None:
                return _verify(content, info, certificate, sha1=sha1)
    raise CmsError(CmsFlaw.NOT_THE_SIGNER, "the certificate of the signer is not one that is pinned")


def signing_time(raw: bytes) -> datetime | None:
    """When the signer says that it signed; None if it does not. CmsError."""
    signed = _content(raw, "signed_data")
    with _reading(CmsFlaw.NOT_CMS, "the signature"):
        for info in signed["signer_infos"]:
            for one in info["signed_attrs"]:
                if one["type"].native == "signing_time" and isinstance(
                    at := one["values"][0].native, datetime
                ):
                    return at if at.tzinfo is not None else None
    return None


def _names(identifier: Any, certificate: x509.Certificate) -> bool:
    """Whether a signer or recipient is the holder of this certificate."""
    if identifier.name == "issuer_and_serial_number":
        ours = asn1_x509.Name.load(certificate.issuer.public_bytes())
        chosen = identifier.chosen
        return bool(chosen["serial_number"].native == certificate.serial_number and chosen["issuer"] == ours)
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return False
    return bool(identifier.chosen.native == named)


def _verify(content: bytes, info: Any, certificate: x509.Certificate, *, sha1: bool) -> Digest:
    digest = digest_named(info["digest_algorithm"]["algorithm"].native)
    if digest is None:
        raise CmsError(CmsFlaw.UNSUPPORTED, "the digest algorithm is not one that is taken")
    if digest is Digest.SHA1 and not sha1:
        raise CmsError(CmsFlaw.WEAK, "signed with sha-1")
    attributes = info["signed_attrs"]
    if not len(attributes):
        # Without them a signature over attributes could be shown as one over a content (RFC 5652 s.11, RFC 8933).
        raise CmsError(CmsFlaw.UNSUPPORTED, "the signature has no signed attributes")
    said: dict[str, list[Any]] = {}
    for one in attributes:
        said.setdefault(one["type"].native, []).extend(one["values"].native)
    if said.get("content_type") != ["data"] or said.get("message_digest") != [digest_of(content, digest)]:
        raise CmsError(CmsFlaw.SIGNATURE_INVALID, "the content is not the one that was signed")
    over = b"\x31" + attributes.dump()[1:]  # signed as a SET, sent under [0] (RFC 5652 s.5.4)
    with _signature():
        _check(certificate, info["signature_algorithm"], info["signature"].native, over, digest, sha1=sha1)
    return digest


@contextmanager
def _signature() -> Iterator[None]:
    try:
        yield
    except InvalidSignature as error:
        raise CmsError(CmsFlaw.SIGNATURE_INVALID, "not made by the key of the pinned certificate") from error


def _check(
    certificate: x509.Certificate,
    algorithm: Any,
    signature: bytes,
    over: bytes,
    digest: Digest,
    *,
    sha1: bool,
) -> None:
    key = certificate.public_key()
    method: hashes.HashAlgorithm = _HASHES[digest] if digest in _HASHES else hashes.SHA1()  # noqa: S303 - a named quirk
    if isinstance(key, ec.EllipticCurvePublicKey):
        if algorithm.signature_algo != "ecdsa" or (
            algorithm.hash_algo != "sha1" and digest_named(algorithm.hash_algo) is not digest
        ):
            raise CmsError(CmsFlaw.UNSUPPORTED, "the signature algorithm does not fit the key or the digest")
        key.verify(signature, over, ec.ECDSA(method))
        return
    if not isinstance(key, rsa.RSAPublicKey):
        raise CmsError(CmsFlaw.UNSUPPORTED, "the pinned key is neither RSA nor EC")
    if key.key_size < RSA_BITS_MIN:
        raise CmsError(CmsFlaw.WEAK, f"an RSA key of {key.key_size} bits")
    kind = algorithm.signature_algo
    if kind == "rsassa_pss":
        # Parameters say how long the salt is; some programs leave them out, and OpenSSL finds it.
        key.verify(signature, over, padding.PSS(padding.MGF1(method), padding.PSS.AUTO), method)
    elif kind == "rsassa_pkcs1v15":  # `rsaEncryption` too, as RFC 3370 wants it
        key.verify(signature, over, padding.PKCS1v15(), method)
    else:
        raise CmsError(CmsFlaw.UNSUPPORTED, f"{kind} is not a signature algorithm that is taken")


# Envelopes


def encrypt(content: bytes, certificate: x509.Certificate, cipher: CipherName, transport: Transport) -> bytes:
    """For the holder of an RSA certificate. CmsError for another key, or a cipher that nobody should encrypt with."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        do = "Ask the partner for an RSA certificate to encrypt for; an EC key can sign."
        raise CmsError(CmsFlaw.UNSUPPORTED, "the certificate has no RSA key", do=do)
    if key.key_size < RSA_BITS_MIN:
        raise CmsError(CmsFlaw.WEAK, f"an RSA key of {key.key_size} bits")
    if cipher is CipherName.TRIPLE_DES:
        raise CmsError(CmsFlaw.WEAK, f"{cipher} encrypts nothing here", do="Choose an AES.")
    if transport is Transport.PKCS1 and cipher in (CipherName.AES128_CBC, CipherName.AES256_CBC):
        aes = algorithms.AES128 if cipher is CipherName.AES128_CBC else algorithms.AES256
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(certificate)
        builder = builder.set_content_encryption_algorithm(aes)
        return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    return _envelope(content, certificate, key, cipher, transport)


def _envelope(
    content: bytes,
    certificate: x509.Certificate,
    key: rsa.RSAPublicKey,
    cipher: CipherName,
    transport: Transport,
) -> bytes:
    """What the builder cannot: GCM, and OAEP."""
    secret = os.urandom(_KEY_BYTES[cipher])
    if transport is Transport.OAEP:
        moved = key.encrypt(secret, _oaep(hashes.SHA256()))
        how = cms.KeyEncryptionAlgorithm({"algorithm": "rsaes_oaep", "parameters": _oaep_parameters()})
    else:
        moved = key.encrypt(secret, padding.PKCS1v15())
        how = cms.KeyEncryptionAlgorithm({"algorithm": "rsaes_pkcs1v15"})
    names = {
        "issuer": asn1_x509.Name.load(certificate.issuer.public_bytes()),
        "serial_number": certificate.serial_number,
    }
    recipient = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": cms.RecipientIdentifier("issuer_and_serial_number", names),
            "key_encryption_algorithm": how,
            "encrypted_key": moved,
        }
    )
    recipients = [cms.RecipientInfo("ktri", recipient)]
    if cipher in (CipherName.AES128_GCM, CipherName.AES256_GCM):
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(secret).encrypt(nonce, content, None)
        parameters = algos.CcmParams(
            {"aes_nonce": nonce, "aes_icvlen": TAG_BYTES}
        )  # the same fields as GCM's
        body = {
            "version": "v0",
            "recipient_infos": recipients,
            "auth_encrypted_content_info": _encrypted(cipher, parameters, sealed[:-TAG_BYTES]),
            "mac": sealed[-TAG_BYTES:],
        }
        content_info = {
            "content_type": "authenticated_enveloped_data",
            "content": cms.AuthEnvelopedData(body),
        }
        return bytes(cms.ContentInfo(content_info).dump())
    vector = os.urandom(16)
    padder = PKCS7(128).padder()
    padded = padder.update(content) + padder.finalize()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(padded) + encryptor.finalize()
    body = {
        "version": "v0",
        "recipient_infos": recipients,
        "encrypted_content_info": _encrypted(cipher, core.OctetString(vector), sealed),
    }
    return bytes(
        cms.ContentInfo({"content_type": "enveloped_data", "content": cms.EnvelopedData(body)}).dump()
    )


def _encrypted(cipher: CipherName, parameters: Any, sealed: bytes) -> Any:
    return {
        "content_type": "data",
        "content_encryption_algorithm": {"algorithm": _NAMES[cipher], "parameters": parameters},
        "encrypted_content": sealed,
    }


def _oaep(method: hashes.HashAlgorithm) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(method), method, None)


def _oaep_parameters() -> Any:
    mask = {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}}
    return algos.RSAESOAEPParams({"hash_algorithm": {"algorithm": "sha256"}, "mask_gen_algorithm": mask})


def cipher_of(raw: bytes) -> CipherName:
    """What an envelope is encrypted with. Raises CmsError if it is none, or by nothing that is known."""
    return _opened(raw)[2]


def _opened(raw: bytes) -> tuple[Any, Any, CipherName]:
    """The envelope, the content in it that is encrypted, and by what."""
    kind = kind_of(raw)
    if kind not in ("enveloped_data", "authenticated_enveloped_data"):
        raise CmsError(CmsFlaw.NOT_CMS, f"{kind} in place of an envelope")
    envelope = _content(raw, kind)
    authenticated = kind == "authenticated_enveloped_data"
    with _reading(CmsFlaw.NOT_CMS, "the envelope"):
        inner = envelope["auth_encrypted_content_info" if authenticated else "encrypted_content_info"]
        name = inner["content_encryption_algorithm"]["algorithm"].native
    cipher = _CIPHERS.get(name)
    if cipher is None:
        raise CmsError(CmsFlaw.UNSUPPORTED, "the content is encrypted by no cipher that is taken")
    if authenticated is not cipher.endswith("gcm"):
        raise CmsError(CmsFlaw.UNSUPPORTED, f"{cipher} in {kind}")
    return envelope, inner, cipher


def decrypt(raw: bytes, key: rsa.RSAPrivateKey, certificate: x509.Certificate, *, triple_des: bool) -> bytes:
    """The content. Raises CmsError; whether the key did not fit or the content is not told apart."""
    envelope, inner, cipher = _opened(raw)
    if cipher is CipherName.TRIPLE_DES and not triple_des:
        raise CmsError(CmsFlaw.WEAK, "encrypted with triple DES")
    with _reading(CmsFlaw.NOT_CMS, "the envelope"):
        sealed = inner["encrypted_content"].native
        if sealed is None:
            raise CmsError(CmsFlaw.NOT_CMS, "the envelope is empty")
        secret = _secret(envelope["recipient_infos"], key, certificate, _KEY_BYTES[cipher])
        parameters = inner["content_encryption_algorithm"]["parameters"]
        if not cipher.endswith("gcm"):
            return _open_cbc(cipher, secret, parameters.native, sealed)
        if len(envelope["auth_attrs"]):
            raise CmsError(CmsFlaw.UNSUPPORTED, "authenticated attributes")
        nonce = parameters.parse(algos.CcmParams)["aes_nonce"].native  # the same fields as GCM's
        return _open_gcm(nonce, secret, sealed, envelope["mac"].native)


def is_for(raw: bytes, certificate: x509.Certificate) -> bool:
    """Whether an envelope names this certificate among its recipients. Raises CmsError."""
    envelope = _opened(raw)[0]
    with _reading(CmsFlaw.NOT_CMS, "the envelope"):
        infos = envelope["recipient_infos"]
        return len(infos) <= INFOS_MAX and any(
            one.name == "ktri" and _names(one.chosen["rid"], certificate) for one in infos
        )


def _secret(infos: Any, key: rsa.RSAPrivateKey, certificate: x509.Certificate, length: int) -> bytes:
    """The content's key; another one if it does not decrypt, so that nobody learns from how it failed (RFC 3218)."""
    if len(infos) > INFOS_MAX:
        raise CmsError(CmsFlaw.NOT_CMS, f"{len(infos)} recipients")
    ours = [one.chosen for one in infos if one.name == "ktri" and _names(one.chosen["rid"], certificate)]
    if not ours:
        raise CmsError(CmsFlaw.NOT_FOR_US, "it is encrypted for another certificate than ours")
    how = ours[0]["key_encryption_algorithm"]
    chosen: padding.AsymmetricPadding
    if how["algorithm"].native == "rsaes_oaep":
        chosen = _oaep_said(how["parameters"])
    elif how["algorithm"].native == "rsaes_pkcs1v15":
        chosen = padding.PKCS1v15()  # OpenSSL gives other bytes in place of an error
    else:
        raise CmsError(CmsFlaw.UNSUPPORTED, "the key is moved in a way that is not taken")
    try:
        secret = key.decrypt(ours[0]["encrypted_key"].native, chosen)
    except ValueError:
        secret = b""
    return secret if len(secret) == length else os.urandom(length)


def _oaep_said(parameters: Any) -> padding.OAEP:
    known: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1()}  # noqa: S303 - OAEP does not need collision resistance
    known |= {one.name: one for one in _HASHES.values()}
    label = known.get(parameters["hash_algorithm"]["algorithm"].native)
    mask = known.get(parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native)
    if label is None or mask is None:
        raise CmsError(CmsFlaw.UNSUPPORTED, "OAEP with a hash that is not taken")
    return padding.OAEP(padding.MGF1(mask), label, None)


def _open_gcm(nonce: bytes, secret: bytes, sealed: bytes, tag: bytes) -> bytes:
    if len(tag) != TAG_BYTES:
        raise CmsError(CmsFlaw.WEAK, f"a tag of {len(tag)} bytes")
    try:
        return AESGCM(secret).decrypt(nonce, sealed + tag, None)
    except (InvalidTag, ValueError) as error:
        raise CmsError(CmsFlaw.CANNOT_DECRYPT, "the content does not open with our key") from error


def _open_cbc(cipher: CipherName, secret: bytes, vector: bytes, sealed: bytes) -> bytes:
    block = TripleDES(secret) if cipher is CipherName.TRIPLE_DES else algorithms.AES(secret)
    try:
        decryptor = Cipher(block, modes.CBC(vector)).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        unpadder = PKCS7(block.block_size).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise CmsError(CmsFlaw.CANNOT_DECRYPT, "the content does not open with our key") from error


# Compression


def compress(content: bytes) -> bytes:
    """RFC 3274, by zlib."""
    inside = {"content_type": "data", "content": zlib.compress(content)}
    body = {
        "version": "v0",
        "compression_algorithm": {"algorithm": "zlib"},
        "encap_content_info": inside,
    }
    return bytes(
        cms.ContentInfo({"content_type": "compressed_data", "content": cms.CompressedData(body)}).dump()
    )


def decompress(raw: bytes, limit: int) -> bytes:
    """What was compressed, if it is not more than `limit` bytes. Raises CmsError."""
    body = _content(raw, "compressed_data")
    with _reading(CmsFlaw.NOT_CMS, "what is compressed"):
        packed = body["encap_content_info"]["content"].native
        if not isinstance(packed, bytes):
            raise CmsError(CmsFlaw.NOT_CMS, "nothing is compressed")
    engine, out = zlib.decompressobj(), bytearray()
    try:
        for start in range(0, len(packed), CHUNK):
            rest = packed[start : start + CHUNK]
            while rest:
                out += engine.decompress(rest, limit + 1 - len(out))
                if len(out) > limit:
                    raise CmsError(CmsFlaw.TOO_LARGE, f"more than {limit} bytes when decompressed")
                rest = engine.unconsumed_tail
    except zlib.error as error:
        raise CmsError(CmsFlaw.CANNOT_DECOMPRESS, "not what zlib writes") from error
    if not engine.eof or engine.unused_data:
        raise CmsError(CmsFlaw.CANNOT_DECOMPRESS, "it ends early, or something follows it")
    return bytes(out)
