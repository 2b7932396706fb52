"""The pages of evidence, policy and upload, as a browser uses them: dropped files good, broken, too large and of two kinds."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchange.file_world import Two
from tests.exchange.house import AGGREGATOR, UTILITY, Wire
from tests.exchange.test_files import interchange
from tests.exchange.test_readings import said
from tests.exchange.test_uploaded import CSV, notices
from tests.portal.money_world import AUDITOR, OPERATOR, SETTLEMENT, Office, Offices, offices
from tests.portal.visitors import HOST, Browser, signed_in
from tests.portal.world import World

from intertie.gateway.office import uploaded_ports
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_beside import Beside
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import export
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.views.view_evidence import EVIDENCE_BYTES_MAX
from intertie.model.errors import PartnerError
from intertie.model.ids import MessageId
from intertie.model.metering import MeterReadingSet
from intertie.portal.pages import uploading
from intertie.portal.pages.web import FORM_BYTES_MAX
from intertie.seal.key_port import KekOf
from intertie.stores.uploaded_files import UploadedFiles

EVIL = '"><img src=x onerror=alert(1)>.csv'


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Offices]:
    with offices(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offices]:
    """Nothing here changes it."""
    with offices(tmp_path_factory.mktemp("proof")) as found:
        yield found


def text(answer: httpx.Response, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    assert "<img" not in answer.text and "<script>" not in answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def bring(
    browser: Browser, path: str, content: bytes | None, name: str = "a.csv", **fields: Any
) -> httpx.Response:
    """A form with a file, as a browser sends it."""
    data = {"csrf": browser.token(), **fields}
    headers = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    files = {"file": (name, content, "application/octet-stream")} if content is not None else {"x": ("", b"")}
    return browser.http.post(path, data=data, files=files, headers=headers, follow_redirects=False)


def brought(browser: Browser, content: bytes, name: str = "a.csv") -> str:
    """Where the page of a file is, once all of it is here."""
    answer = bring(browser, "/upload/whole", content, name)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


# Evidence


def evidence(office: Office) -> tuple[MessageId, bytes]:
    """Of a message that is in a parcel."""
    [row, *_] = [row for row in office.gateway.store.messages(Query(outgoing=True, limit=5)) if row.parcel]
    return row.id, export(office.gateway, row.id, office.stage.now)


def test_a_dropped_file_is_checked_and_not_kept(calm: Offices) -> None:
    browser, (id, raw) = calm.utility.browser(AUDITOR), evidence(calm.utility)
    good = text(bring(browser, "/evidence/verify", raw, EVIL))
    assert "It verifies" in good and id in good and "onerror" in good, "the name is text"
    broken = json.loads(raw)
    broken["message"] = broken["message"][:-4] + "AAAA"
    bad = text(bring(browser, "/evidence/verify", json.dumps(broken).encode()))
    assert "does not verify: step" in bad
    for strange in (b"%PDF-1.7", b"PK\x03\x04", b"<script>alert(1)</script>", b"[" * 50_000):
        assert "does not verify" in text(bring(browser, "/evidence/verify", strange))
    text(bring(browser, "/evidence/verify", None), 422)
    assert not list(Path(calm.utility.folder).rglob("*.piece"))


def test_a_file_that_is_too_large_is_refused_before_it_is_read(calm: Offices) -> None:
    browser = calm.utility.browser(AUDITOR)
    answer = bring(browser, "/evidence/verify", b"x" * (EVIDENCE_BYTES_MAX + FORM_BYTES_MAX + 1))
    text(answer, 413)


def test_a_form_that_is_none_is_refused(calm: Offices) -> None:
    browser = calm.utility.browser(AUDITOR)
    headers = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    for kind, body in (
        ("text/plain", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("application/x-www-form-urlencoded", b"csrf=x"),
    ):
        answer = browser.http.post(
            "/evidence/verify", content=body, headers={**headers, "content-type": kind}
        )
        assert 400 <= answer.status_code < 500, (kind, answer.status_code)


@pytest.mark.parametrize("path", ["/evidence/verify", "/upload/whole", "/upload/begin"])
def test_a_form_with_a_file_needs_token_and_origin(calm: Offices, path: str) -> None:
    browser = calm.utility.browser(SETTLEMENT)
    files = {"file": ("a", b"x")}
    here = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    good = {"csrf": browser.token(), "name": "a", "size": "1"}
    for data, headers in (
        ({**good, "csrf": "A" * 43}, here),
        ({"name": "a"}, here),
        (good, {**here, "origin": "https://evil.example"}),
        (good, {"sec-fetch-site": "cross-site"}),
        (good, {}),
    ):
        answer = browser.http.post(path, data=data, files=files, headers=headers)
        assert answer.status_code == 403, (data, headers)


def test_journal_heads_lines_and_proofs(calm: Offices) -> None:
    browser, (id, _) = calm.utility.browser(AUDITOR), evidence(calm.utility)
    page = browser.get("/evidence")
    head = calm.utility.gateway.store.head()
    assert head.root.hex() in text(page) and AGGREGATOR in text(page)
    lines = browser.get("/evidence/journal")
    assert f"/messages/{id}" in lines.text or "below=" in lines.text
    older = re.search(r'href="(/evidence/journal\?below=[0-9]+)"', lines.text)
    if older is not None:
        assert browser.get(older.group(1)).status_code == 200
    proven = text(browser.get(f"/evidence/message?id={id}"))
    assert "each proof was checked" in proven and head.root.hex() in proven
    for wrong, status in (("x", 422), ("", 404), ("01990000-0000-7000-8000-00000000ffff", 404)):
        text(browser.get("/evidence/message", params={"id": wrong}), status)
    assert browser.get("/evidence/journal?below=0").status_code == 200
    assert browser.get("/evidence/journal?below=-1").status_code == 422


def test_only_who_proves_sees_evidence(calm: Offices) -> None:
    for role in (OPERATOR, OfficeRole.TRADER, OfficeRole.ADMIN):
        browser = calm.utility.browser(role)
        assert browser.get("/evidence").status_code == 403
        assert bring(browser, "/evidence/verify", b"x").status_code == 403


# Policy


def test_policy_says_what_falls_short_and_how_each_flow_is_protected(calm: Offices) -> None:
    browser = calm.utility.browser(OfficeRole.ADMIN)
    page = browser.get("/policy")
    assert "How flows are protected" in text(page) and "hybrid" in text(page)
    [link, *_] = [
        html.unescape(one) for one in re.findall(r'href="(/policy/flows/DA/invoice[^"]*)"', page.text)
    ]
    derived = text(browser.get(link))
    assert "quantum" in derived and "FIPS" in derived and "Protection must reach" in derived
    with_partner = text(browser.get(f"/policy/flows/DA/invoice?partner={AGGREGATOR}&on=2026-03-01"))
    assert "Our keys:" in with_partner
    for path, status in (
        ("/policy?interface=ET1", 200),
        ("/policy?interface=ET99", 422),
        ("/policy?interface=%3Cb%3E", 422),
        ("/policy?within=100000", 422),
        ("/policy/flows/DA/haiku", 422),
        ("/policy/flows/%3Cb%3E/invoice", 422),
        ("/policy/flows/DA/invoice?partner=nobody.example", 404),
        ("/policy/flows/DA/invoice?on=soon", 422),
    ):
        assert browser.get(path).status_code == status, path
        text(browser.get(path), status)


def test_the_inventory_is_a_file(calm: Offices) -> None:
    found = calm.utility.browser(AUDITOR).get("/policy/inventory")
    assert found.json()["bomFormat"] == "CycloneDX"
    assert found.headers["content-disposition"].startswith('attachment; filename="inventory-2026')


def test_without_what_stands_beside_the_gateway_pages_say_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    browser = signed_in(world, SETTLEMENT)
    assert "not open here" in text(browser.get("/policy"))
    assert "No files are taken here" in text(browser.get("/upload"))
    assert browser.get("/policy/inventory").status_code == 422
    assert bring(browser, "/upload/whole", b"x").status_code == 422
    assert browser.get(f"/settlement/{AGGREGATOR}/shadow/S-1").status_code == 422
    assert signed_in(world, AUDITOR).get("/evidence").status_code == 200
    world.close()


# Upload


def test_readings_are_shown_line_by_line_and_then_kept(both: Offices) -> None:
    browser = both.utility.browser(SETTLEMENT)
    at = brought(browser, CSV + b"M1,2026-01-10T00:30:00-05:00,much\n", EVIL)
    page = browser.get(at)
    said = text(page)
    assert (
        "Meter readings" in said and "line 4" in said and "not a decimal number" in said and "onerror" in said
    )
    assert "Keep them" in page.text and "Send its documents" not in page.text
    assert "1 meter days kept, 1 not" in browser.done(browser.send(f"{at}/keep"))
    after = text(browser.get(at))
    assert "1 meter days taken in" in after and "mend these" in after and "Keep them" not in after
    assert [row[1] for row in both.stage.sides[UTILITY].rows() if row[1] == "M1"] == ["M1"]
    again = browser.send(f"{at}/keep")
    assert again.status_code == 303, "what came of it is told again"
    assert len([row for row in both.stage.sides[UTILITY].rows() if row[1] == "M1"]) == 1


def test_documents_are_sent_by_whose_business_they_are(both: Offices) -> None:
    mixed = json.loads(notices("O-1", "O-2", mode="real_time"))
    mixed[1]["body"]["cause"] = "the weather"
    raw = json.dumps(mixed).encode()
    analyst, operator = both.utility.browser(SETTLEMENT), both.utility.browser(OPERATOR)
    refused = brought(analyst, raw, "a.json")
    analyst.send(f"{refused}/send", partner=AGGREGATOR)
    assert "may not send" in text(analyst.get(refused))
    at = brought(operator, raw, "a.json")
    looked = operator.get(at)
    assert "1 of it can be read , 1 cannot" in text(looked) or "1 of it can be read, 1 cannot" in text(looked)
    assert "Keep them" not in looked.text
    said = operator.done(operator.send(f"{at}/send", partner=AGGREGATOR))
    after = operator.get(at)
    assert said.startswith(("1 queued", "0 queued")) and "cause" in text(after)
    assert (
        operator.send(f"{at}/send").status_code == 422
        and operator.send(f"{at}/send", partner="x y").status_code == 422
    )


def test_a_parcel_is_accepted_and_its_receipt_carried_back(tmp_path: Path) -> None:
    with offices(tmp_path) as both:
        stage = both.stage
        message = stage.say(AGGREGATOR, MeterReadingSet(meters=(said("M9"),)), stage.aggregator.agreement)
        wire = Wire(stage.gateways[UTILITY], AGGREGATOR, stage.now, answers=[PartnerError("no way there")])
        asyncio.run(deliver_once(stage.gateways[AGGREGATOR], wire, UTILITY, lambda: stage.now, lambda: 0.5))
        browser = both.utility.browser(OPERATOR)
        at = brought(browser, wire.sent[0], "usb.itp")
        page = browser.get(at)
        assert f"Accept the parcel of {AGGREGATOR}" in text(page)
        assert "1 accepted" in browser.done(browser.send(f"{at}/accept"))
        after = browser.get(at)
        assert message in after.text
        [back] = re.findall(r'href="([^"]*/answers/0)"', after.text)
        receipt = browser.get(back)
        assert (
            receipt.headers["content-type"].startswith("application/jose+json")
            and b"signatures" in receipt.content
        )
        assert browser.get(back[:-1] + "9").status_code == 404
        changed = wire.sent[0][:-1] + bytes([wire.sent[0][-1] ^ 1])
        other = brought(browser, changed, "usb.itp")
        text(browser.send(f"{other}/accept"), 422)
        assert "Accept the parcel" in browser.get(other).text, "the file is still there"


@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_a_good_and_a_broken_file_of_a_partner_of_an_older_protocol(tmp_path: Path, format: str) -> None:
    two = Two(format)
    while not two.trays[UTILITY].put:
        two.say(UTILITY)
        two.post(UTILITY)
    good = two.trays[UTILITY].put[0].content
    world = World(tmp_path, gateway=two.gateways[AGGREGATOR], made=False)
    world.now = two.now
    world.office = world.office._replace(
        beside=Beside(uploads=UploadedFiles(tmp_path / "uploads", KekOf(bytes(32))))
    )
    browser = signed_in(world, OPERATOR)
    at = brought(browser, good, f"a.{format}")
    assert "Take it in, as given to us by a partner" in text(browser.get(at))
    assert "1 taken in" in browser.done(browser.send(f"{at}/take", partner=UTILITY))
    [row] = two.inbox(AGGREGATOR)
    after = browser.get(at)
    assert row.id in after.text and "To bring back" in after.text
    broken = brought(browser, good[: len(good) * 2 // 3], f"b.{format}")
    assert "cannot" in text(browser.get(broken))
    answer = browser.send(f"{broken}/take", partner=UTILITY)
    assert answer.status_code == 303 and "did not" in text(browser.get(broken))
    assert len(two.inbox(AGGREGATOR)) == 1
    assert browser.send(f"{broken}/take", partner="nobody.example").status_code == 303, "it was taken before"
    world.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04 meter,value", "spreadsheet"),
        (b"%PDF-1.7 /*<script>alert(1)</script>*/", "PDF"),
        (b"<svg onload=alert(1)>", "no parcel, X12"),
        (b"GIF89a;meter,start,value", "no parcel, X12"),
        (b"\x00ISA*00*", "no parcel, X12"),
        (
            b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><feed xmlns='http://naesb.org/espi'>&a;</feed>",
            "",
        ),
        (b"[" * 200_000, ""),
        (b'{"meters":' + b"9" * 5000 + b"}", ""),
        (b"ISA*00*" + b"\xff" * 400, ""),
    ],
)
def test_polyglot_and_hostile_files_are_told_and_harm_nothing(
    calm: Offices, content: bytes, says: str
) -> None:
    browser = calm.utility.browser(SETTLEMENT)
    at = brought(browser, content, "../../<b>.html")
    page = browser.get(at)
    said = text(page)
    assert says in said and "root:" not in said and "<svg" not in page.text
    assert (
        page.headers["content-type"].startswith("text/html")
        and page.headers["x-content-type-options"] == "nosniff"
    )
    for way in ("send", "take", "accept", "keep"):
        answer = browser.send(f"{at}/{way}", partner=AGGREGATOR)
        assert answer.status_code in (303, 404, 422, 403), (way, answer.status_code)
    browser.done(browser.send(f"{at}/drop"))
    text(browser.get(at), 404 if browser.get(at).status_code == 404 else 422)


def test_a_file_comes_in_pieces_and_goes_on_after_a_loss(both: Offices) -> None:
    browser = both.utility.browser(SETTLEMENT)
    begun = bring(browser, "/upload/begin", None, name=EVIL, size=str(len(CSV))).json()
    id, page = begun["id"], begun["page"]
    assert begun["there"] == 0 and "0 bytes of" in text(browser.get(page))
    first = bring(browser, f"/upload/files/{id}/piece", CSV[:10], offset="0")
    assert first.json()["there"] == 10
    again = bring(browser, f"/upload/files/{id}/piece", CSV[:10], offset="0")
    assert again.json()["there"] == 10, (
        "a piece that came twice counts once, and the answer says where to go on"
    )
    assert browser.get(f"/upload/files/{id}/state").json()["there"] == 10
    rest = bring(browser, f"/upload/files/{id}/piece", CSV[10:], offset="10")
    assert rest.json()["there"] == len(CSV) and "Meter readings" in text(browser.get(page))
    assert bring(browser, f"/upload/files/{id}/piece", b"x", offset=str(len(CSV))).status_code == 422
    assert bring(browser, f"/upload/files/{id}/piece", None, offset="0").status_code == 422
    for offset in ("-1", "x", "99999999999999999999"):
        assert bring(browser, f"/upload/files/{id}/piece", b"x", offset=offset).status_code == 422


def test_what_is_too_large_is_refused(calm: Offices, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = calm.utility.browser(SETTLEMENT)
    assert (
        bring(
            browser, "/upload/begin", None, name="a", size=str(uploaded_ports.FILE_BYTES_MAX + 1)
        ).status_code
        == 422
    )
    for size in ("0", "-1", "x", ""):
        assert bring(browser, "/upload/begin", None, name="a", size=size).status_code == 422
    begun = bring(
        browser, "/upload/begin", None, name="a", size=str(uploaded_ports.PIECE_BYTES_MAX * 2)
    ).json()
    piece = b"x" * (uploaded_ports.PIECE_BYTES_MAX + FORM_BYTES_MAX + 1)
    assert bring(browser, f"/upload/files/{begun['id']}/piece", piece, offset="0").status_code == 413
    slack = b"x" * (uploaded_ports.PIECE_BYTES_MAX + 1)
    assert bring(browser, f"/upload/files/{begun['id']}/piece", slack, offset="0").status_code == 422
    assert browser.get(f"/upload/files/{begun['id']}/state").json()["there"] == 0


def test_a_file_is_seen_by_whoever_brought_it_alone(calm: Offices) -> None:
    ours, theirs = calm.utility.browser(SETTLEMENT), calm.utility.browser(OPERATOR)
    at = brought(ours, CSV, "mine.csv")
    assert "mine.csv" in text(ours.get("/upload")) and "mine.csv" not in text(theirs.get("/upload"))
    for path in (at, f"{at}/state", f"{at}/answers/0"):
        assert theirs.get(path).status_code in (404, 422), path
    assert theirs.send(f"{at}/drop").status_code == 303 and ours.get(at).status_code == 200, (
        "nothing was dropped"
    )
    assert calm.utility.browser(AUDITOR).get("/upload").status_code == 403
    for id in ("%2e%2e%2fetc", "x", "01990000-0000-7000-8000-00000000ffff"):
        assert ours.get(f"/upload/files/{id}").status_code in (404, 422), id
    ours.done(ours.send(f"{at}/drop"))


def test_the_page_lists_what_waits_and_forgets_what_is_old(both: Offices) -> None:
    browser = both.utility.browser(OPERATOR)
    brought(browser, interchange("O-1"), "a.x12")
    assert "a.x12" in text(browser.get("/upload")) and uploading.UPLOAD == "/upload"
    store = both.utility.office.beside.files()
    assert store.sweep(both.stage.now + uploaded_ports.KEPT * 2) == 1
    assert "None waits" in text(browser.get("/upload"))


def test_a_name_of_many_lines_is_no_header(both: Offices) -> None:
    browser = both.utility.browser(OPERATOR)
    at = brought(browser, notices("O-1"), 'a"\r\nSet-Cookie: x=y;.json')
    assert "set-cookie" not in browser.get(at).headers
