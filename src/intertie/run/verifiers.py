"""Who checks the signatures of partners' own protocols in evidence, by the name of their binding."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from intertie.bindings.as2.proof import As2Verifier
from intertie.bindings.as4.proof import As4Verifier
from intertie.bindings.internet_et.proof import InternetEtVerifier
from intertie.bindings.uftp.proof import UftpVerifier
from intertie.gateway.translating.deliver_file import Unsigned
from intertie.seal.translated_evidence import ForeignVerifier

VERIFIERS: Mapping[str, ForeignVerifier] = MappingProxyType(
    {
        "uftp": UftpVerifier(),
        "as2": As2Verifier(),
        "as4": As4Verifier(),
        "internet_et": InternetEtVerifier(),
        **{name: Unsigned(name) for name in ("sftp", "ftps", "upload")},
    }
)
