"""libxmlsec as a process: it verifies signatures of envelopes, makes them, and opens encrypted keys, as standard input asks.

    {"do": "verify", "xml", "certificate"}                  -> {"valid"}
    {"do": "sign", "xml", "key", "method", "digest", "ids"} -> {"xml"}      into Security of the envelope
    {"do": "open", "xml", "key"}                            -> {"key"}      of the first EncryptedKey
`xml` and the rest are text; keys and certificates are PEM; an opened key is base64.
"""

from __future__ import annotations

import base64
import json
import sys

import xmlsec
from lxml import etree

DS = "http://www.w3.org/2000/09/xmldsig#"
WSU_ID = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id"
METHODS = {
    "rsa-sha1": xmlsec.constants.TransformRsaSha1,
    "rsa-sha256": xmlsec.constants.TransformRsaSha256,
    "rsa-sha512": xmlsec.constants.TransformRsaSha512,
    "ecdsa-sha256": xmlsec.constants.TransformEcdsaSha256,
}
DIGESTS = {
    "sha1": xmlsec.constants.TransformSha1,
    "sha256": xmlsec.constants.TransformSha256,
    "sha512": xmlsec.constants.TransformSha512,
}


def parsed(text: str):
    root = etree.fromstring(text.encode())
    context = xmlsec.SignatureContext()
    for element in root.iter(etree.Element):
        if WSU_ID in element.attrib:
            namespace = etree.QName(WSU_ID).namespace
            context.register_id(element, "Id", namespace)
    return root, context


def verify(asked: dict) -> dict:
    root, context = parsed(asked["xml"])
    context.key = xmlsec.Key.from_memory(asked["certificate"].encode(), xmlsec.constants.KeyDataFormatCertPem)
    try:
        context.verify(next(root.iter(f"{{{DS}}}Signature")))
    except xmlsec.Error:
        return {"valid": False}
    return {"valid": True}


def sign(asked: dict) -> dict:
    root, context = parsed(asked["xml"])
    made = xmlsec.template.create(root, xmlsec.constants.TransformExclC14N, METHODS[asked["method"]], ns="ds")
    for one in asked["ids"]:
        line = xmlsec.template.add_reference(made, DIGESTS[asked["digest"]], uri=f"#{one}")
        xmlsec.template.add_transform(line, xmlsec.constants.TransformExclC14N)
    security = next(one for one in root.iter(etree.Element) if etree.QName(one).localname == "Security")
    security.append(made)
    context.key = xmlsec.Key.from_memory(asked["key"].encode(), xmlsec.constants.KeyDataFormatPem)
    context.sign(made)
    return {"xml": etree.tostring(root).decode()}


def opened(asked: dict) -> dict:
    root = etree.fromstring(asked["xml"].encode())
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(asked["key"].encode(), xmlsec.constants.KeyDataFormatPem))
    context = xmlsec.EncryptionContext(manager)
    node = next(one for one in root.iter(etree.Element) if etree.QName(one).localname == "EncryptedKey")
    return {"key": base64.b64encode(context.decrypt(node)).decode()}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        said = {"verify": verify, "sign": sign, "open": opened}[asked["do"]](asked)
    except Exception as error:  # noqa: BLE001 - whatever the library says is the answer
        said = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
