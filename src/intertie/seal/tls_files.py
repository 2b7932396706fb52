"""TLS of a door whose certificate an operator brings as files, for a server that wants an OpenSSL context."""

from __future__ import annotations

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
