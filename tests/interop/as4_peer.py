"""The library `as4`, unchanged, as a process: it builds messages, takes them, and reads signals, as standard input asks.

Started with the folder of keys. It knows one profile, Peppol's, which wraps a document in a header of its own; here its classes
are used without that header, so that any file is carried; with `"peppol": true` a message is built as the profile has it.
Each line of input is one of
    {"do": "build", "id", "content", "kind", "peppol"}     -> {"headers", "body"}
    {"do": "take", "headers", "body"}                      -> {"error", "content", "headers", "signal"}
    {"do": "signal", "id", "signal"}                       -> {"error", "verified"}
Bytes are base64.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
import sys
from pathlib import Path

from as4 import AS4LocalPrivateKey, SecurityPolicy, pinned_certificates
from as4.core.context import AS4ParseContext
from as4.core.message import AS4Message
from as4.core.receipt import AS4Receipt
from as4.core.references import AS4References
from as4.peppol import create_peppol_external_party, create_peppol_internal_party
from as4.profiles.peppol.document_identifier import BusdoxDocidQnsDocumentIdentifier
from as4.profiles.peppol.message import PeppolAS4Message, PeppolAS4MessageBuilderArgs
from as4.profiles.peppol.profile import PeppolAS4Profile
from as4.utils.cipher_handler import CipherHandler
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

FOLDER, US, THEM = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
SCHEME = "busdox-docid-qns"
ACTION = "urn:x::Invoice##urn:y::2.1"
PROCESS = "urn:fdc:intertie:files"
logging.disable(logging.CRITICAL)
SENT: dict[str, AS4Message] = {}


def pem(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


OURS = create_peppol_internal_party(
    US,
    x509.load_pem_x509_certificate(pem("them.pem")),
    AS4LocalPrivateKey(serialization.load_pem_private_key(pem("them.key"), None)),
)
THEIRS = create_peppol_external_party(THEM, x509.load_pem_x509_certificate(pem("us.pem")))
POLICY = SecurityPolicy(signer_resolver=pinned_certificates(THEIRS.credentials.certificate))


class AnyFile(PeppolAS4Message):
    """The profile's message with a file that is no document of Peppol's."""

    @classmethod
    def build_message(cls, payload, *, local_party, remote_party, builder_args, references):
        compressed = gzip.compress(payload)
        key, sealed = CipherHandler.encrypt_payload(compressed)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"")
        wrapped = remote_party.credentials.rsa_public_key.encrypt(key, oaep)
        cid, _ = references.encrypted_data_attachment_mapping()
        envelope = cls.get_soap_envelope(
            local_party, remote_party, builder_args, references, wrapped, {cid: compressed}
        )
        return cls(soap_envelope=envelope, message_id=references.message_id, mime_attachments={cid: sealed})

    @classmethod
    def get_user_message(cls, local_party, remote_party, builder_args, references):
        user = super().get_user_message(local_party, remote_party, builder_args, references)
        user.payload_info.part_info[0].part_properties.properties[0].value = builder_args.c1_country_id
        return user


def build(asked: dict) -> dict:
    references = AS4References(message_id=asked["id"])
    said = PeppolAS4MessageBuilderArgs(
        sender="9932:1",
        recipient="9932:2",
        document_type_identifier=BusdoxDocidQnsDocumentIdentifier.from_identifier_value(ACTION),
        document_identification_instance_identifier="1",
        process_identifier=PROCESS,
        c1_country_id="US" if asked.get("peppol") else asked["kind"],
    )
    kind = PeppolAS4Message if asked.get("peppol") else AnyFile
    message = kind.build_message(
        base64.b64decode(asked["content"]),
        local_party=OURS,
        remote_party=THEIRS,
        builder_args=said,
        references=references,
    )
    SENT[references.message_id] = message
    body, boundary = message.get_request_data()
    headers = message.get_http_headers(boundary)
    return {"headers": list(headers.items()), "body": base64.b64encode(body).decode()}


def take(asked: dict) -> dict:
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked["headers"]).encode()
    soap, attached = PeppolAS4Profile.unpack_message(lines + b"\r\n" + base64.b64decode(asked["body"]))
    message = AS4Message.parse(AS4ParseContext(local_party=OURS, security_policy=POLICY), soap, attached)
    headers, signal = AS4Receipt.for_message(message, OURS).get_request_data()
    content = next(iter(message.decrypted_data.values()), b"") if message.parse_successful else b""
    return {
        "error": "" if message.parse_error is None else f"{type(message.parse_error).__name__}",
        "content": base64.b64encode(content).decode(),
        "headers": list(headers.items()),
        "signal": base64.b64encode(signal).decode(),
    }


def signal(asked: dict) -> dict:
    receipt = AS4Receipt.parse(base64.b64decode(asked["signal"]), THEIRS.credentials.certificate)
    if receipt.error is not None:
        return {"error": receipt.error.error_code, "verified": False, "about": receipt.original_message_id}
    receipt.verify_non_repudiation(SENT[asked["id"]].signed_references)
    return {"error": "", "verified": True, "about": receipt.original_message_id}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        said = {"build": build, "take": take, "signal": signal}[asked["do"]](asked)
    except Exception as error:  # noqa: BLE001 - whatever the library says is the answer
        said = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
