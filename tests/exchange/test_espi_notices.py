"""Third parties are told what there is, until their server took it; nothing is said twice, and nothing is left out."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exchange.espi_world import CAME, FIRST, HOST, OWN, SCOPE, World, hours, values

from intertie.bindings.espi.notify import Notifier
from intertie.formats.espi.entries import EspiError
from intertie.formats.espi.names import BASE
from intertie.formats.espi.scope import BadScope, read_scope
from intertie.formats.espi.service import read_list, write_list
from intertie.gateway.espi.espi_ports import Application
from intertie.model.errors import IntertieError


class ThirdParty(HTTPServer):
    """A server that is told, and answers as a test says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Told)
        self.status, self.said = 200, list[list[str]]()
        self.url = f"http://127.0.0.1:{self.server_port}/espi/1_1/Notification"


class _Told(BaseHTTPRequestHandler):
    server: ThirdParty

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        self.server.said.append(read_list(raw))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def third() -> Iterator[ThirdParty]:
    server = ThirdParty()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def app(world: World, third: ThirdParty) -> tuple[Application, str]:
    return world.add(notify=third.url)


def tell(world: World) -> Notifier:
    return Notifier(
        world.grants, world.readings, HOST, lambda: world.now, lambda: 1.0, ssl.create_default_context()
    )


def test_what_came_is_told_once(world: World, app: tuple[Application, str], third: ThirdParty) -> None:
    notifier = tell(world)
    assert notifier.tell() == 0, "there is nothing"
    tokens = world.consented(*app, "M1")
    assert notifier.tell() == 0 and third.said == []
    world.keep(hours())
    assert notifier.tell() == 1
    assert third.said.pop() == [tokens["resourceURI"]], "all of it"
    assert notifier.tell() == 0
    world.keep(hours("M2"), source="import:2")
    assert notifier.tell() == 0, "that is nobody's"
    world.keep(
        hours(day=FIRST + timedelta(days=1), value=5), came=CAME + timedelta(hours=1), source="import:3"
    )
    assert tell(world).tell() == 1, "another process knows what was told"
    [[uri]] = third.said
    assert uri.startswith(f"{tokens['resourceURI']}?updated-min=")
    assert set(values(world.feed(uri, tokens["access_token"]))) == {5, 7}, (
        "from the last that was told, with it"
    )


def test_what_comes_late_is_not_left_out(
    world: World, app: tuple[Application, str], third: ThirdParty
) -> None:
    """A message of ours is among the readings when its recipient has it, however old it is by then."""
    tokens = world.consented(*app, "M1")
    world.keep(hours())
    notifier = tell(world)
    notifier.tell()
    world.keep(hours(day=FIRST + timedelta(days=1), value=5), came=CAME - timedelta(days=2), source="m")
    assert notifier.tell() == 1 and third.said[-1] == [tokens["resourceURI"]], "so all of it"
    assert 5 in values(world.feed(third.said[-1][0], tokens["access_token"]))


def test_a_server_that_does_not_take_it_is_told_again(
    world: World, app: tuple[Application, str], third: ThirdParty
) -> None:
    world.consented(*app, "M1")
    world.keep(hours())
    third.status = 503
    notifier = tell(world)
    assert notifier.tell() == 0 and len(third.said) == 1
    assert notifier.tell() == 0 and len(third.said) == 1, "not at once"
    world.now += timedelta(seconds=31)
    assert notifier.tell() == 0 and len(third.said) == 2
    third.status = 202
    world.now += timedelta(seconds=31)
    assert notifier.tell() == 0, "after the second time it is waited for longer"
    world.now += timedelta(hours=1)
    assert notifier.tell() == 1 and third.said[0] == third.said[-1]
    assert notifier.tell() == 0


def test_a_server_that_is_not_there(world: World) -> None:
    application, secret = world.add(notify="http://127.0.0.1:9/nobody")
    world.consented(application, secret, "M1")
    world.keep(hours())
    notifier = tell(world)
    assert notifier.tell() == 0
    [consent] = world.book.consents(application.id)
    assert consent.told_rows == -1
    notifier.try_tell()


def test_that_a_consent_ended_is_told(world: World, app: tuple[Application, str], third: ThirdParty) -> None:
    tokens = world.consented(*app, "M1")
    id = tokens["authorizationURI"].rpartition("/")[2]
    world.grants.revoke(app[0].id, id, world.now)
    assert tell(world).tell() == 1 and third.said == [[tokens["authorizationURI"]]]
    assert tell(world).tell() == 0
    own = world.own_token(*app)
    status = world.feed(f"Authorization/{id}", own).findtext(".//{http://naesb.org/espi}status")
    assert status == "0"


def test_the_bulk_is_told_as_one(world: World, app: tuple[Application, str], third: ThirdParty) -> None:
    world.keep(hours(), hours("M2"))
    world.give(app[0], "M1")
    assert tell(world).tell() == 1 and third.said.pop() == [f"{HOST}{BASE}/Batch/Bulk/b1"]
    world.give(app[0], "M2")
    assert tell(world).tell() == 1 and third.said.pop() == [f"{HOST}{BASE}/Batch/Bulk/b1"], (
        "one more consented"
    )
    world.keep(hours(day=FIRST + timedelta(days=1)), came=CAME + timedelta(hours=1), source="import:2")
    assert tell(world).tell() == 1 and "Batch/Bulk/b1?updated-min=" in third.said.pop()[0]
    [first, _] = world.book.consents(app[0].id)
    world.grants.revoke(app[0].id, first.id, world.now)
    assert tell(world).tell() == 1 and third.said.pop() == [f"{HOST}{BASE}/Authorization/{first.id}"]
    assert tell(world).tell() == 0


def test_who_did_not_ask_for_it_is_not_told(world: World, third: ThirdParty) -> None:
    quiet, secret = world.add("FB=4_5", name="Quiet", notify=third.url)
    world.consented(quiet, secret, "M1", scope="FB=4")
    nowhere, other = world.add(OWN, name="Nowhere", notify=None)
    world.consented(nowhere, other, "M1")
    world.keep(hours())
    assert tell(world).tell() == 0 and not third.said
    with pytest.raises(IntertieError):
        world.grants.find_application("none")


# What is read and written


@settings(max_examples=50, deadline=None)
@given(st.lists(st.from_regex(r"\Ahttps://[a-z]{1,9}/[a-z0-9/?=&:-]{0,40}\Z"), max_size=5))
def test_a_list_comes_back(resources: list[str]) -> None:
    assert read_list(write_list(resources)) == resources


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<BatchList/>",
        b"<x xmlns='http://naesb.org/espi'/>",
        b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><BatchList xmlns='http://naesb.org/espi'/>",
        b"<BatchList xmlns='http://naesb.org/espi'><resources/></BatchList>",
        b"<BatchList xmlns='http://naesb.org/espi'><resources>" + b"a" * 3000 + b"</resources></BatchList>",
        b"<BatchList xmlns='http://naesb.org/espi'>" + b"<resources>a</resources>" * 1001 + b"</BatchList>",
        b"<BatchList xmlns='http://naesb.org/espi'>" + b" " * 2**20 + b"</BatchList>",
    ],
)
def test_what_is_no_list_is_refused(raw: bytes) -> None:
    with pytest.raises(EspiError):
        read_list(raw)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "FB"),
        ("FB=", "FB"),
        ("FB=4;FB=5", "part 2"),
        ("FB=4;Color=red", "part 2"),
        ("FB=4_100", "below 100"),
        ("FB=10", "FB=10 is not given"),
        ("FB=4;IntervalDuration=x", "IntervalDuration"),
        ("FB=4;BlockDuration=hourly", "BlockDuration"),
        ("FB=4;HistoryLength=-1", "HistoryLength"),
        ("FB=4;BR=../x", "BR"),
        ("FB=" + "_".join(["4"] * 200), "longer"),
        ("FB=٤", "ASCII"),
    ],
)
def test_scopes_that_are_none(text: str, why: str) -> None:
    with pytest.raises(BadScope, match=why):
        read_scope(text)


def test_what_a_scope_says() -> None:
    said = read_scope("FB=4_5_15;IntervalDuration=900_3600;BlockDuration=monthly;HistoryLength=13")
    assert (said.finest, said.history, said.bulk) == (900, timedelta(days=403), "")
    assert read_scope("FB=4;HistoryLength=86400").history == timedelta(days=1)
    assert read_scope("FB=4;BlockDuration=daily;HistoryLength=86400").history == timedelta(days=1)
    whole = read_scope(SCOPE)
    assert said.within(whole) is False and read_scope(OWN).within(whole) and read_scope("FB=4").within(whole)
    assert read_scope("FB=4").bounded(whole).finest == 900 and read_scope("FB=4").has(4)
