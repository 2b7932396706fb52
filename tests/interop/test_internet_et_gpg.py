"""Our client against a partner's server that is made of `gpg` and the standard library, over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.command.test_as2_door_tls import tls_pair
from tests.exchange.et_world import CODES, KEYS, STRANGER, Two
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.interop.et_server import Partner, serving
from tests.interop.gpg_home import Gpg

from intertie.bindings.internet_et.client import InternetEtClient
from intertie.exchange.outbound import State
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.model.ids import MessageId

QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def gpgs() -> Iterator[tuple[Gpg, Gpg]]:
    homes = Gpg("partner"), Gpg("stranger")
    homes[0].know(KEYS[UTILITY].public)
    yield homes
    for home in homes:
        home.close()


class House:
    """The utility of the world, and the partner's server in place of the aggregator."""

    def __init__(self, folder: Path, port: int, public: str, **terms: Any) -> None:
        self.two = Two(folder=folder)
        self.two.now = datetime.now(UTC)  # the partner's clock is the machine's
        self.two.change(UTILITY, url=f"https://127.0.0.1:{port}/?package=naesb", keys=(public,), **terms)
        self.trust = ssl.create_default_context(cafile=str(folder / "as2.pem"))
        self.client = self._client()

    def _client(self) -> InternetEtClient:
        two = self.two
        return InternetEtClient(
            two.gateways[UTILITY],
            two.et[UTILITY],
            lambda: two.now,
            seconds=20.0,
            retry_minutes=15.0,
            directory=two.folder,
            tell=lambda *told: two.told.append(told),
            transport=None,
        )

    def deliver(self) -> None:
        """One delivery; each on a loop of its own, as asyncio.run makes it."""
        two = self.two
        self.client._http = httpx.AsyncClient(verify=self.trust, timeout=20.0, trust_env=False)

        async def go() -> None:
            await deliver_translated(
                two.gateways[UTILITY], self.client.post, AGGREGATOR, lambda: two.now, lambda: 0.0
            )
            await self.client.aclose()

        asyncio.run(go())

    def state(self, message: MessageId) -> State:
        return self.two.state(UTILITY, message)[0]


def test_it_opens_what_we_send_and_we_take_its_receipt(tmp_path: Path, gpgs: tuple[Gpg, Gpg]) -> None:
    tls_pair(tmp_path)
    (tmp_path / "et.txt").write_text("right")
    (tmp_path / "et.txt").chmod(0o600)
    partner = Partner(gpgs[0])
    with serving(partner, tmp_path) as port:
        house = House(tmp_path, port, gpgs[0].public, user="us", password_file="et.txt")
        message = house.two.say(UTILITY)
        house.deliver()
        assert house.state(message) is State.ACCEPTED
    (came,) = partner.came
    assert came.good and came.content.startswith(b"Content-Type: application/edi-x12\r\n\r\nISA*")
    assert came.fields["from"] == CODES[UTILITY] and came.fields["to"] == CODES[AGGREGATOR]
    assert came.fields["refnum"] == came.fields["refnum-orig"]
    assert partner.users == ["Basic dXM6cmlnaHQ="]


def test_a_lost_receipt_makes_a_resend_and_one_effect(tmp_path: Path, gpgs: tuple[Gpg, Gpg]) -> None:
    tls_pair(tmp_path)
    partner = Partner(gpgs[0])
    partner.lose = 1
    with serving(partner, tmp_path) as port:
        house = House(tmp_path, port, gpgs[0].public)
        message = house.two.say(UTILITY)
        house.deliver()
        assert house.state(message) is State.SENDING
        house.two.now += QUARTER
        house.deliver()
        assert house.state(message) is State.ACCEPTED
    first, second = partner.came
    assert first.content == second.content and len(partner.files) == 1
    assert second.fields["refnum-orig"] == first.fields["refnum"] != second.fields["refnum"]


@pytest.mark.parametrize("wrong", ["tampered", "signed by a stranger"])
def test_a_receipt_that_proves_nothing_is_none(tmp_path: Path, gpgs: tuple[Gpg, Gpg], wrong: str) -> None:
    tls_pair(tmp_path)
    partner = Partner(gpgs[0])
    partner.tamper, partner.by = wrong == "tampered", gpgs[wrong != "tampered"]
    with serving(partner, tmp_path) as port:
        house = House(tmp_path, port, gpgs[0].public)
        message = house.two.say(UTILITY)
        house.deliver()
        assert house.state(message) is State.SENDING
        partner.tamper, partner.by = False, gpgs[0]
        house.two.now += QUARTER
        house.deliver()
        assert house.state(message) is State.ACCEPTED


@pytest.mark.parametrize("wrong", ["their key", "our key"])
def test_what_it_cannot_open_or_verify_is_refused(tmp_path: Path, gpgs: tuple[Gpg, Gpg], wrong: str) -> None:
    tls_pair(tmp_path)
    partner = Partner(gpgs[0])
    with serving(partner, tmp_path) as port:
        house = House(tmp_path, port, gpgs[0].public)
        if wrong == "their key":
            house.two.change(UTILITY, keys=(gpgs[1].public, gpgs[0].public))
        else:
            house.two.keys[UTILITY] = STRANGER
            house.two.et[UTILITY]._keys._known.clear()
        message = house.two.say(UTILITY)
        house.deliver()
        assert house.state(message) is State.REFUSED
        assert "EEDM604" in house.two.state(UTILITY, message)[1]
    assert not partner.files


def test_a_certificate_that_nobody_vouches_for_ends_it(tmp_path: Path, gpgs: tuple[Gpg, Gpg]) -> None:
    tls_pair(tmp_path)
    partner = Partner(gpgs[0])
    with serving(partner, tmp_path) as port:
        house = House(tmp_path, port, gpgs[0].public)
        house.trust = ssl.create_default_context()
        message = house.two.say(UTILITY)
        house.deliver()
        assert house.state(message) is State.SENDING and not partner.came
