"""The names of the standards that AS4 is made of."""

from __future__ import annotations

from typing import Final

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
EB: Final = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
_WSS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE: Final = _WSS + "wssecurity-secext-1.0.xsd"
WSU: Final = _WSS + "wssecurity-utility-1.0.xsd"
WSSE11: Final = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
EBBP: Final = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"

BASE64: Final = _WSS + "soap-message-security-1.0#Base64Binary"
X509: Final = _WSS + "x509-token-profile-1.0#X509v3"
ENCRYPTED_KEY: Final = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey"
_SWA: Final = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#"
CONTENT_ONLY: Final = _SWA + "Attachment-Content-Only"
CIPHERTEXT: Final = _SWA + "Attachment-Ciphertext-Transform"

INITIATOR: Final = EB + "initiator"
RESPONDER: Final = EB + "responder"
# ebMS 3.0 s.5.2.2.8: a message of these is for the other software only, and nobody is told of it.
TEST_SERVICE: Final = EB + "service"
TEST_ACTION: Final = EB + "test"

GZIP: Final = "application/gzip"
SOAP_KIND: Final = "application/soap+xml"

PREFIXES: Final = {"S12": SOAP, "eb": EB, "wsse": WSSE, "wsu": WSU, "ds": DS, "xenc": XENC}


def eb(name: str) -> str:
    """A name of ebMS, as lxml has it."""
    return f"{{{EB}}}{name}"


def soap(name: str) -> str:
    """A name of SOAP 1.2."""
    return f"{{{SOAP}}}{name}"


def wsse(name: str) -> str:
    """A name of WS-Security."""
    return f"{{{WSSE}}}{name}"


def ds(name: str) -> str:
    """A name of XML Signature."""
    return f"{{{DS}}}{name}"


def xenc(name: str) -> str:
    """A name of XML Encryption."""
    return f"{{{XENC}}}{name}"


WSU_ID: Final = f"{{{WSU}}}Id"
