"""What a legacy file and the settings may say of FTP without TLS: beside [parcel] alone, with an end date, if it is let."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from intertie.formats.file_terms import JsonTerms
from intertie.formats.ftps_terms import FtpsTerms, TheirFtps
from intertie.formats.parcel_terms import ParcelTerms
from intertie.gateway.configuration.ftps_settings import FtpsDoor
from intertie.gateway.translating.foreign import Foreign
from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.run.held import legacy_use

PIN = "sha256:" + "a" * 64
HEARD = "sha256:" + "b" * 64
PARTY = PartyId("home.example")


def server(**changed: Any) -> TheirFtps:
    said = {
        "host": "ftp.example",
        "user": "us",
        "secret_file": "s.txt",
        "to": "in",
        "fetch": "out",
        "tls": "none",
    }
    return TheirFtps(**(said | changed))


def comes(**changed: Any) -> FtpsTerms:
    return FtpsTerms(**({"user": "them", "plain_secrets": (HEARD,)} | changed))


def foreign(terms: FtpsTerms, **formats: Any) -> Foreign:
    said: dict[str, Any] = {"name": "Home", "roles": (Role.GATEWAY_ESI,), "legacy_until": date(2027, 12, 31)}
    return Foreign(**said, ftps_terms=terms, **(formats or {"parcel": ParcelTerms()}))


@pytest.mark.parametrize("terms", [comes(), FtpsTerms(server=server())])
def test_it_carries_parcels_and_the_inventory_says_so_with_the_date(terms: FtpsTerms) -> None:
    found = foreign(terms)
    assert found.in_clear
    said = legacy_use(PARTY, found)
    assert (said.protocol, said.until) == ("ftp", "2027-12-31") and "without TLS" in said.protection


@pytest.mark.parametrize("terms", [comes(), FtpsTerms(server=server())])
@pytest.mark.parametrize("formats", [{"json": JsonTerms()}, {"json": JsonTerms(), "parcel": ParcelTerms()}])
def test_it_goes_with_no_other_format(terms: FtpsTerms, formats: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="what is sealed, and nothing else"):
        foreign(terms, **formats)


@pytest.mark.parametrize(
    "terms",
    [comes(secrets=(PIN,), plain_secrets=()), FtpsTerms(server=server(tls="explicit", certificates=(PIN,)))],
)
def test_over_tls_any_format_goes_as_before(terms: FtpsTerms) -> None:
    found = foreign(terms, json=JsonTerms())
    assert not found.in_clear and legacy_use(PARTY, found).protocol == "ftps"


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="has no certificate"):
        server(certificates=(PIN,))
    with pytest.raises(ValueError, match="has no certificate"):
        server(ca_file="ca.pem")
    with pytest.raises(ValueError, match="is known by these"):
        server(tls="explicit")
    with pytest.raises(ValueError, match="nobody else"):
        FtpsTerms(server=server(), plain_secrets=(HEARD,))
    with pytest.raises(ValueError, match="nobody else"):
        comes(plain_secrets=())
    with pytest.raises(ValueError, match="opens nothing over it"):
        comes(secrets=(PIN, HEARD))
    with pytest.raises(ValueError, match="nothing says that an upload was closed"):
        comes(complete="closed")


def test_without_an_end_date_there_is_no_legacy_file() -> None:
    text = {
        "name": "Home",
        "roles": ["gateway_esi"],
        "ftps": {"user": "them", "plain_secrets": [HEARD]},
        "parcel": {},
    }
    with pytest.raises(msgspec.ValidationError, match="legacy_until"):
        msgspec.convert(text, Foreign)


def test_the_door_is_shut_by_itself() -> None:
    assert not FtpsDoor().plain and not FtpsDoor().enabled
    with pytest.raises(ValueError, match="certificate and key"):
        FtpsDoor(listen="127.0.0.1:2121", plain=True)
