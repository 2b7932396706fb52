"""Which way what we say goes to a partner, and the reason that `partner show` gives."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from msgspec.structs import replace
from tests.exchange.file_world import foreign_of
from tests.exchange.house import AGGREGATOR, AGGREGATOR_ROLES, keys_of
from tests.exchange.uftp_world import partner_of

from intertie.formats.file_terms import JsonTerms
from intertie.gateway.sending.choosing import NOTHING, choose

TODAY = date(2026, 11, 20)
OLD = partner_of(AGGREGATOR, foreign_of(AGGREGATOR, "csv"))
KEYS = keys_of(AGGREGATOR, AGGREGATOR_ROLES).public()


def test_what_has_a_gateway_gets_parcels() -> None:
    there = OLD._replace(keys=KEYS, url="https://there.example", foreign=None)
    assert choose(there, (), TODAY) == (
        "parcels",
        "both have a gateway: signed, and sealed for it alone, over HTTPS",
    )
    assert "it comes for them" in choose(there._replace(url=""), (), TODAY).why


@pytest.mark.parametrize("today", [TODAY, date(2099, 1, 1)])
def test_and_gets_them_also_with_a_legacy_file(today: date) -> None:
    way = choose(OLD._replace(keys=KEYS), ("sftp",), today)
    assert way.binding == "parcels" and "stronger than sftp" in way.why


def test_what_has_none_gets_what_its_legacy_file_says_until_its_day() -> None:
    assert OLD.foreign is not None
    last = OLD.foreign.legacy_until
    for today in (TODAY, last):
        way = choose(OLD, ("sftp", "as2"), today)
        assert way.binding == "sftp" and f"until {last}" in way.why
    assert choose(OLD, ("sftp",), last + timedelta(days=1)) == (
        NOTHING,
        f"it has no gateway, and sftp ended on {last}",
    )


def test_of_several_formats_it_says_which_a_message_goes_in() -> None:
    assert OLD.foreign is not None and "; in " not in choose(OLD, ("sftp",), TODAY).why
    both = OLD._replace(foreign=replace(OLD.foreign, json=JsonTerms()))
    assert choose(both, ("sftp",), TODAY).why.endswith("; in csv, and what that cannot say whole in json")


def test_what_is_not_set_up_here_goes_nowhere() -> None:
    way = choose(OLD, ("as2",), TODAY)
    assert way.binding == NOTHING and "[sftp] is not set up" in way.why
