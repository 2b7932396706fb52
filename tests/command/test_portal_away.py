"""The portal is slow, stopped, full or dead: the street door answers as if there were none. Not by the clock: a parcel that
waited for the portal would have no receipt at all, since the portal does not go on before it has one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from tests.command.gateways import AGREEMENT, UTILITY, make_pair, served
from tests.command.test_office import alive, pids_of, wait_for, with_office

from intertie.bindings.clock import system_clock
from intertie.exchange.outbound import State
from intertie.gateway.configuration.office_settings import OfficeDoor
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, PartyId
from intertie.model.message import Mode
from intertie.run.opening import Opened, opened, street_link

# The fewest that the settings allow.
CONNECTIONS = 4
PARCELS = 3
# A portal that answers does it within this even here; one that is stopped never does.
ANSWER_SECONDS = 20.0
SOON_SECONDS = 0.3


class Street:
    """The partner, who sends parcels to the gateway that has the portal."""

    def __init__(self, it: Opened) -> None:
        self._it = it
        _, self._body = example(DocumentName("availability_declaration"))

    def exchange(self) -> None:
        """Some parcels, one after the other; each has its receipt at the first try."""
        for _ in range(PARCELS):
            out = Outgoing(
                body=self._body,
                recipient=PartyId(UTILITY),
                interface=InterfaceCode("DA"),
                mode=Mode.SCHEDULED,
                agreement=AgreementId(AGREEMENT),
            )
            (id,) = send(self._it.gateway, [out], datetime.now(UTC))
            asyncio.run(self._deliver())
            row = self._it.store.message(id, outgoing=True)
            assert row is not None and row.state is State.ACCEPTED, row

    async def _deliver(self) -> None:
        link = street_link(self._it)
        try:
            await deliver_once(self._it.gateway, link, PartyId(UTILITY), system_clock, lambda: 0.5)
        finally:
            await link.aclose()


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[tuple[Path, str, Street]]:
    """The utility, served with a portal; the portal's address; and its partner."""
    utility, aggregator = make_pair(tmp_path)
    port = with_office(utility, f"connections = {CONNECTIONS}")
    url = f"http://127.0.0.1:{port}"
    with served(utility), opened(aggregator) as it:
        it.store.unlock()
        wait_for(lambda: answers(url))
        yield utility, url, Street(it)


def answers(url: str, seconds: float = ANSWER_SECONDS) -> bool:
    """Whether the portal shows its page of signing in."""
    try:
        return httpx.get(f"{url}/sign-in", timeout=seconds).status_code == 200
    except httpx.TransportError:
        return False


def gives_way(pid: int) -> bool:
    """Whether all its threads claim less of a processor than those who began it."""
    threads = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    return all(os.getpriority(os.PRIO_PROCESS, one) == usual + OfficeDoor().nice for one in threads)


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes that stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_parcels_are_receipted_whatever_becomes_of_the_portal(houses: tuple[Path, str, Street]) -> None:
    utility, url, street = houses
    street.exchange()
    (pid,) = pids_of(utility)
    assert gives_way(pid) and not gives_way(os.getpid()), "a parcel goes first"

    with stopped([pid]):  # its socket still takes connections: whoever waits for it waits
        assert not answers(url, SOON_SECONDS)
        street.exchange()
    wait_for(lambda: answers(url))

    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with ExitStack() as stack:  # as many half requests as it has connections, and more in its queue
        for _ in range(3 * CONNECTIONS):
            one = stack.enter_context(socket.create_connection(address))
            one.sendall(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n")
        assert not answers(url, SOON_SECONDS)
        street.exchange()
    wait_for(lambda: answers(url))

    os.kill(pid, signal.SIGKILL)
    street.exchange()
    wait_for(lambda: len(pids_of(utility)) == 2 and answers(url))
    assert not alive(pid) and alive(pids_of(utility)[1])
    assert (utility / "serve.log").read_text(encoding="utf-8").count('"worker died"') == 1
