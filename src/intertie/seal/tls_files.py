"""TLS by files of an operator: of a door, for a server that wants an OpenSSL context, and towards a partner's server."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path

from OpenSSL import SSL

from intertie.model.errors import SettingsError


def context_of_files(certificate: Path, key: Path, section: str) -> SSL.Context:
    """TLS 1.2 or later, nobody asked for a certificate. SettingsError for files that are none, or no pair."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except (SSL.Error, OSError) as error:
        do = "Look at both files: PEM, the chain leaf first, and its key."
        raise SettingsError(f"{section} certificate and key cannot be used", do=do) from error
    return context


def context_towards(ca_file: Path | None, what: str) -> ssl.SSLContext:
    """TLS 1.2 or later to a server that these authorities vouch for. Without them nobody does: then its certificate has to be
    held against those that were agreed (`is_pinned`) before anything is said. SettingsError for a file that is none."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"the {what} {ca_file} cannot be used", do="Look at it: certificates in PEM."
        ) from error
    if ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def is_pinned(connection: ssl.SSLSocket, fingerprints: Sequence[str]) -> bool:
    """Whether the server's certificate is one of these (sha256:HEX, of its DER)."""
    found = connection.getpeercert(binary_form=True)
    return found is not None and f"sha256:{hashlib.sha256(found).hexdigest()}" in fingerprints
