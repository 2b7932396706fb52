"""Descriptors over HTTPS: told at a partner's door, and asked for when a certificate is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    Door,
    House,
    a_parcel,
    caller,
    make_ca,
    make_house,
    now,
    open_door,
    post,
)

from intertie.bindings.parcel_https import DESCRIPTOR
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.gateway.configuration.settings import Delivery, Quota
from intertie.model.errors import PartnerError
from intertie.model.party import Party
from intertie.seal.descriptor import DESCRIPTOR_BYTES_MAX, write_descriptor
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.trial_ca import TrialCa

QUICK = Delivery(connect_seconds=3.0, answer_seconds=10.0)


@pytest.fixture(scope="module")
def ca() -> TrialCa:
    return make_ca()


@pytest.fixture
def houses(tmp_path: Path, ca: TrialCa) -> tuple[House, House]:
    teller, hearer = make_house(tmp_path / "u", ca, UTILITY), make_house(tmp_path / "a", ca, AGGREGATOR)
    hearer.knows(teller)
    return teller, hearer


@pytest.fixture
def door(houses: tuple[House, House]) -> Iterator[Door]:
    with open_door(houses[1]) as it:
        houses[0].knows(houses[1], it.url)
        yield it


def descriptor(house: House, keys: PrivateKeys | None = None, sequence: int = 2) -> bytes:
    party: Party = house.gateway.party
    end = now() + timedelta(days=30)
    return write_descriptor(
        party, keys or house.gateway.keys, url="https://told.example", sequence=sequence, now=now(), end=end
    )


def tell(house: House, url: str, raw: bytes, trust: House, kind: str = DESCRIPTOR) -> httpx.Response:
    with caller(house, trust) as client:
        return client.post(f"{url}/descriptors", content=raw, headers={"content-type": kind})


def test_told_over_the_link(houses: tuple[House, House], door: Door, ca: TrialCa) -> None:
    teller, hearer = houses
    fresh = generate_keys(UTILITY, teller.gateway.party.roles, ca, now())

    async def ask() -> tuple[int, bytes]:
        link = HttpsLink(teller.tls(), QUICK, UTILITY)
        partner = teller.book.find(AGGREGATOR)
        assert partner is not None
        try:
            answer = await link.post_descriptor(partner, descriptor(teller, fresh))
            return answer.status, answer.body
        finally:
            await link.aclose()

    assert asyncio.run(ask()) == (200, b'{"sequence":2}')
    known = hearer.book.find(UTILITY)
    assert known is not None
    assert (known.keys, known.url) == (fresh.public(), "https://told.example")


def test_what_is_refused(houses: tuple[House, House], door: Door, tmp_path: Path, ca: TrialCa) -> None:
    teller, hearer = houses
    stranger = make_house(tmp_path / "s", ca, THIRD)
    before = hearer.book.find(UTILITY)
    large = b"x" * (DESCRIPTOR_BYTES_MAX + 1)
    cases = [
        (tell(teller, door.url, b"{}", hearer), 422, "bad_manifest"),
        (tell(teller, door.url, large, hearer), 413, "too_large"),
        (tell(teller, door.url, descriptor(teller), hearer, "text/plain"), 415, "unsupported_media_type"),
        (tell(stranger, door.url, descriptor(stranger), hearer), 403, "unknown_sender"),
        (tell(stranger, door.url, descriptor(teller), hearer), 403, "unknown_sender"),
        (tell(teller, door.url, descriptor(hearer), hearer), 403, "transport_not_sender"),
    ]
    for answer, status, code in cases:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert hearer.book.find(UTILITY) == before


def test_it_counts_against_the_quota(houses: tuple[House, House]) -> None:
    teller, hearer = houses
    with open_door(hearer, quota=Quota(parcels_per_second=0.001, parcels_burst=1.0)) as it:
        first = tell(teller, it.url, descriptor(teller), hearer)
        second = tell(teller, it.url, descriptor(teller), hearer)
    assert (first.status_code, second.status_code) == (200, 429)
    assert second.headers["retry-after"]


def test_a_parcel_under_an_unknown_certificate_says_so_to_the_gateway(
    houses: tuple[House, House], door: Door, ca: TrialCa, tmp_path: Path
) -> None:
    teller, hearer = houses
    other = make_house(tmp_path / "new", ca, UTILITY)
    with caller(teller, hearer) as client:
        answer = post(client, door.url, a_parcel(other, hearer).blob)
    assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (
        422,
        "unknown_certificate",
        True,
    )
    assert door.stale == [UTILITY]


def test_a_door_without_a_page_for_it(houses: tuple[House, House], door: Door) -> None:
    teller, _ = houses
    partner = teller.book.find(AGGREGATOR)
    assert partner is not None

    async def ask() -> bytes:
        link = HttpsLink(teller.tls(), QUICK, UTILITY)
        try:
            return await link.get_descriptor(partner._replace(url=f"{door.url}/nothing"))
        finally:
            await link.aclose()

    with pytest.raises(PartnerError, match="404"):
        asyncio.run(ask())
