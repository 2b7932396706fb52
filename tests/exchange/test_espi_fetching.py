"""A third party fetches from a custodian over HTTP: what it was told of and what it polls, each part a message, once."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.custodian_world import Served, ThirdParty, pair
from tests.exchange.espi_world import CAME, FIRST, START, hours
from tests.exchange.file_world import foreign_of
from tests.exchange.house import UTILITY
from tests.exchange.uftp_world import NEED
from tests.unit.formats.espi_world import series, written

from intertie.bindings.espi.fetching import Fetcher
from intertie.formats.custodian_terms import CustodianTerms
from intertie.formats.espi import cut
from intertie.gateway.translating.accept_file import accept_file
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.deliver_file import OneWay
from intertie.gateway.translating.files import FileError
from intertie.gateway.translating.foreign import Level
from intertie.model.documents import read_message
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.record import RuleError
from intertie.stores.espi_wanted import WANTED_MAX

BULK = "Batch/Bulk/b1"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Served, ThirdParty]]:
    custodian, third = pair(tmp_path)
    custodian.keep(hours("M1"), hours("M2", value=3))
    [application] = custodian.book.applications()
    custodian.give(application, "M1", "M2")
    with custodian.serving():
        yield custodian, third


def test_a_bulk_becomes_messages_with_the_custodian_s_bytes_and_readings(
    two: tuple[Served, ThirdParty],
) -> None:
    _, third = two
    assert third.fetcher().step() == 1
    [row] = third.inbox()
    header, body = read_message(row.body)
    assert header.document == "meter_readings" and header.sender == UTILITY
    kept = original_of(row.body)
    assert kept is not None and kept.count(b"<entry") == 2 * 3 + 1, (
        "point, reading and block of each, and one type"
    )
    found = third.values()
    assert {key[:2] for key in found} == {("M1", FIRST), ("M2", FIRST)}
    assert set(next(value for key, value in found.items() if key[0] == "M2")) == {3} and body is not None
    assert not list((third.folder / "fetch").glob("*.part"))


def test_the_same_again_has_one_effect(two: tuple[Served, ThirdParty]) -> None:
    _, third = two
    fetcher = third.fetcher()
    fetcher.step()
    assert fetcher.step() == 0, "it is not due"
    assert fetcher.told([f"{third.terms.resources}/{BULK}"]) == 1
    assert fetcher.step() == 1 and len(third.inbox()) == 1
    third.now += timedelta(hours=25)
    assert fetcher.step() == 1 and len(third.inbox()) == 1, "polled, and nothing is new"


def test_what_is_new_comes_when_it_is_told(two: tuple[Served, ThirdParty]) -> None:
    custodian, third = two
    fetcher = third.fetcher()
    fetcher.step()
    custodian.keep(hours("M1", revision=2, value=9), came=CAME + timedelta(hours=3), source="import:2")
    since = (CAME + timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    assert fetcher.told([f"{third.terms.resources}/{BULK}?updated-min={since}"]) == 1
    assert fetcher.step() == 1 and len(third.inbox()) == 2
    revisions = sorted((key[2], set(value)) for key, value in third.values().items() if key[0] == "M1")
    assert [values for _, values in revisions] == [{7}, {9}], "what changed later counts"


def test_who_tells_what_is_looked_at_first(two: tuple[Served, ThirdParty]) -> None:
    _, third = two
    fetcher, root = third.fetcher(), third.terms.resources
    for address in (
        "https://evil.example/espi/1_1/resource/Batch/Bulk/b1",
        f"{root}.evil.example/Batch/Bulk/b1",
        f"{root}/../../Batch/x",
        f"{root}/Batch/Bulk/b1 x",
        f"{root}/Batch/Bulk/b1#x",
        f"{root}/Authorization/1",
        root,
        "",
        "file:///etc/passwd",
    ):
        assert fetcher.told([address]) == 0, address
    good = f"{root}/{BULK}?updated-min=2026-01-01T00:00:00Z"
    assert fetcher.told([good, good]) == 1 and fetcher.told([good]) == 0
    assert fetcher.told([f"{root}/Batch/Bulk/{n}" for n in range(2000)]) == WANTED_MAX - 1


def test_what_is_not_there_is_given_up_and_the_rest_is_fetched(two: tuple[Served, ThirdParty]) -> None:
    _, third = two
    fetcher = third.fetcher()
    fetcher.told([f"{third.terms.resources}/Batch/Subscription/ffffffffffff"])
    assert fetcher.step() == 1
    assert third.wanted.of(UTILITY).addresses == () and len(third.inbox()) == 1


def test_a_custodian_that_is_away_is_asked_again_later(tmp_path: Path) -> None:
    custodian, third = pair(tmp_path)
    custodian.keep(hours("M1"))
    [application] = custodian.book.applications()
    custodian.give(application, "M1")
    fetcher = third.fetcher()
    assert fetcher.step() == 0
    wanted = third.wanted.of(UTILITY).addresses
    assert len(wanted) == 1, "it is on disk"
    with custodian.serving():
        assert fetcher.step() == 0, "not yet"
        third.now += timedelta(seconds=31)
        assert fetcher.step() == 1
    assert third.wanted.of(UTILITY).addresses == () and len(third.values()) == 1


def test_after_a_crash_in_the_middle_nothing_is_doubled(
    two: tuple[Served, ThirdParty], monkeypatch: pytest.MonkeyPatch
) -> None:
    custodian, third = two
    custodian.keep(*[hours(f"N{number}", step=900) for number in range(12)], source="import:2")
    [application] = custodian.book.applications()
    custodian.give(application, *[f"N{number}" for number in range(12)])
    monkeypatch.setattr(cut, "PART_BYTES", 60_000)
    from_disk = third.fetcher()
    real = from_disk._take_in

    class Crash(Exception):
        pass

    def crash(party: PartyId, file: Path) -> Any:
        with file.open("rb") as feed:
            assert len(list(cut.cut_feed(feed))) > 3
        count = 0
        accept = fetching_accept(count)
        monkeypatch.setattr("intertie.bindings.espi.fetching.accept_file", accept)
        return real(party, file)

    def fetching_accept(count: int) -> Any:
        whole = ACCEPT

        def accept(*given: Any) -> bytes:
            nonlocal count
            count += 1
            if count > 2:
                raise Crash
            return whole(*given)

        return accept

    monkeypatch.setattr(from_disk, "_take_in", crash)
    with pytest.raises(Crash):
        from_disk.step()
    assert len(third.inbox()) == 2 and len(third.wanted.of(UTILITY).addresses) == 1
    monkeypatch.setattr("intertie.bindings.espi.fetching.accept_file", ACCEPT)
    assert third.fetcher().step() == 1
    rows = third.inbox()
    assert len(rows) == len({original_of(row.body) for row in rows}) > 3
    assert {key[0] for key in third.values()} == {"M1", "M2", *[f"N{number}" for number in range(12)]}


ACCEPT = accept_file


def test_a_secret_that_is_wrong_or_open_to_others(two: tuple[Served, ThirdParty]) -> None:
    _, third = two
    third.secret.write_text("wrong")
    fetcher = third.fetcher()
    assert fetcher.step() == 0 and len(third.wanted.of(UTILITY).addresses) == 1
    third.secret.chmod(0o644)
    third.now += timedelta(hours=2)
    assert fetcher.step() == 0 and not third.inbox()


def test_a_partner_that_is_suspended_or_whose_time_is_over(two: tuple[Served, ThirdParty]) -> None:
    _, third = two
    partners = third.gateway.partners.partners  # type: ignore[attr-defined]
    partner = partners[UTILITY]
    partners[UTILITY] = partner._replace(suspended=True)
    assert third.fetcher().step() == 0
    over = replace(partner.foreign, legacy_until=(START - timedelta(days=1)).date())
    partners[UTILITY] = partner._replace(foreign=over)
    assert third.fetcher().step() == 0 and not third.inbox()


# A custodian that is none of ours


class Strange(ThreadingHTTPServer):
    """Answers as a test says: for each request in turn a status, headers and a body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.feeds: list[tuple[int, dict[str, str], bytes]] = []
        self.token: tuple[int, bytes] = (200, b'{"access_token": "t", "expires_in": 3600}')
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Strange

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._say(self.server.token[0], {}, self.server.token[1])

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["authorization"])
        self._say(*self.server.feeds.pop(0))

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, text in ({"content-length": str(len(body))} | headers).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def strange() -> Iterator[Strange]:
    server = Strange()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def told(tmp_path: Path, strange: Strange, **terms: Any) -> tuple[ThirdParty, Fetcher]:
    third = ThirdParty(tmp_path, strange.url, ("app", "secret"), batches=(), **terms)
    fetcher = third.fetcher()
    assert fetcher.told([f"{third.terms.resources}/Batch/Subscription/1"]) == 1
    return third, fetcher


FEED = written(series([1, 2, 3], start=START - timedelta(days=3)))


def test_a_token_that_ended_early_is_asked_for_anew(tmp_path: Path, strange: Strange) -> None:
    third, fetcher = told(tmp_path, strange)
    strange.feeds = [(401, {}, b""), (200, {}, FEED)]
    assert fetcher.step() == 1 and len(third.inbox()) == 1 and strange.asked == ["Bearer t"] * 2


@pytest.mark.parametrize(
    ("feed", "kept"),
    [
        ((401, {}, b""), 0),
        ((403, {}, b""), 0),
        ((404, {}, b""), 0),
        ((500, {}, b""), 1),
        ((302, {"location": "http://127.0.0.1:1/"}, b""), 1),
        ((200, {"content-encoding": "gzip"}, b"x"), 1),
        ((200, {"content-length": str(len(FEED) + 1)}, FEED), 1),
        ((200, {}, FEED[:-20]), 0),
        ((200, {}, b"<html/>"), 0),
        ((200, {}, b"<!DOCTYPE feed [<!ENTITY a 'b'>]>" + FEED), 0),
        ((200, {}, b"x" * 60_000), 0),
    ],
)
def test_answers_that_are_no_feed(tmp_path: Path, strange: Strange, feed: Any, kept: int) -> None:
    """Kept to be asked for again is what may be there another time."""
    third, fetcher = told(tmp_path, strange, feed_bytes=50_000)
    strange.feeds = [feed, feed]
    assert fetcher.step() == 0 and not third.inbox()
    assert len(third.wanted.of(UTILITY).addresses) == kept


@pytest.mark.parametrize(
    "token", [(401, b""), (200, b"{}"), (200, b"\xff"), (200, b"{" + b" " * 70_000), (302, b"")]
)
def test_token_endpoints_that_give_none(tmp_path: Path, strange: Strange, token: tuple[int, bytes]) -> None:
    third, fetcher = told(tmp_path, strange)
    strange.token = token
    assert fetcher.step() == 0 and not strange.asked
    assert len(third.wanted.of(UTILITY).addresses) == 1


def test_refused_parts_are_journaled_and_the_feed_is_done(tmp_path: Path, strange: Strange) -> None:
    third, fetcher = told(tmp_path, strange)
    strange.feeds = [(200, {}, FEED.replace(b">72<", b">38<"))]
    assert fetcher.step() == 1 and not third.inbox()
    [(_, refusal)] = third.gateway.store.refusals()
    assert "is not Wh" in refusal.detail and third.wanted.of(UTILITY).addresses == ()


# What a legacy file may say, and that nothing goes this way


def test_terms_and_legacy_file() -> None:
    good = {
        "resources": "https://u.example/espi/1_1/resource",
        "token": "https://u.example/token",
        "client_id": "app",
        "secret_file": "secret.txt",
    }
    terms = CustodianTerms(**good)
    foreign = foreign_of(UTILITY, "espi", sftp_terms=None, custodian_terms=terms)
    assert (foreign.binding, foreign.format, foreign.closing) == ("green_button", "espi", Level.FETCHED)
    assert foreign.custodian is terms and foreign.url == good["resources"]
    with pytest.raises(RuleError, match="goes with"):
        foreign_of(UTILITY, "csv", sftp_terms=None, custodian_terms=terms)
    with pytest.raises(SettingsError, match="no custodian"):
        assert foreign_of(UTILITY, "espi").custodian
    for wrong in (
        {"resources": "http://u.example/x"},
        {"token": "http://u.example/x"},
        {"batches": ("a/../b",)},
    ):
        with pytest.raises(ValueError):
            CustodianTerms(**(good | wrong))


def test_nothing_goes_to_a_custodian() -> None:
    with pytest.raises(FileError, match="are fetched"):
        OneWay("green_button").write(foreign_of(UTILITY, "espi"), None, NEED, None)  # type: ignore[arg-type]


def test_a_queue_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    third = ThirdParty(tmp_path, "http://127.0.0.1:9", ("app", "secret"))
    third.wanted.add(UTILITY, ["http://127.0.0.1:9/a"])
    path = tmp_path / "fetch" / f"{UTILITY}.json"
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(b"{")
    with pytest.raises(SettingsError, match="cannot be read"):
        third.wanted.of(UTILITY)
    assert third.fetcher().step() == 0
    assert io.BytesIO(FEED).read(5) == b"<?xml"
