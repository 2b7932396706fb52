"""A custodian's resources: what a token opens and what not, by path, time, page and depth; every entry by ESPI's schema."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree
from tests.exchange.espi_world import (
    CAME,
    FIRST,
    HOST,
    OWN,
    World,
    hours,
    hrefs,
    names,
    values,
)
from tests.store.readings_cases import ZONE
from tests.unit.formats.test_espi import SCHEMA

from intertie.formats.espi.names import BASE
from intertie.formats.espi.series import EspiRead, EspiRules, meter_named_by
from intertie.formats.espi.stream import read_feed
from intertie.model.metering import Quality

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.keep(
        hours(),
        hours(day=FIRST + timedelta(days=1)),
        hours(channel="export", value=3),
        hours("M/2#x", value=9),
    )
    return world


@pytest.fixture
def token(world: World) -> str:
    application, secret = world.add()
    return str(world.consented(application, secret, "M1", "M/2#x")["access_token"])


def subscription(world: World) -> str:
    [application] = world.book.applications()
    [consent] = world.book.consents(application.id)
    return consent.id


def test_a_batch_has_all_that_was_consented_to_and_reads_back(world: World, token: str) -> None:
    raw = world.get(f"Batch/Subscription/{subscription(world)}", token).content
    reading = EspiRead(read_feed(io.BytesIO(raw)), EspiRules(meter_named_by))
    found = {(one.meter, one.channel, one.series.start.date()): one for one in reading}
    assert not reading.unread and len(found) == 4
    one = found["M/2#x", "import", FIRST]
    assert set(one.series.values) == {9} and one.quality is Quality.VALIDATED and len(one.series.values) == 24
    assert reading.others == {"UsageSummary": 2}, "of each meter that has import"


def test_entries_stand_once_and_lead_to_each_other(world: World, token: str) -> None:
    feed = world.feed(f"Batch/Subscription/{subscription(world)}", token)
    ids = [one.text for one in feed.iter(f"{ATOM}id")]
    assert len(ids) == len(set(ids))
    assert names(feed).count("LocalTimeParameters") == 1 and names(feed).count("ReadingType") == 2
    own = set(hrefs(feed))
    for href in hrefs(feed, "related"):
        collection = any(one.startswith(f"{href}/") for one in own)
        assert href in own or collection, href
    for href in own:
        answer = world.get(f"{HOST}{BASE}/{href}", token)
        assert answer.status_code == 200, href
        assert etree.fromstring(answer.content).tag == f"{ATOM}entry"
        up = world.get(f"{HOST}{BASE}/{href.rpartition('/')[0]}", token)
        assert up.status_code == 200 and href in hrefs(etree.fromstring(up.content)), href


@pytest.mark.skipif(not SCHEMA.exists(), reason="../shared/reference/espi.xsd is not here")
def test_every_kind_of_entry_is_valid_by_the_official_schema(
    world: World, token: str, tmp_path: Path
) -> None:
    (tmp_path / "espi.xsd").write_bytes(SCHEMA.read_bytes())
    (tmp_path / "atom.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/2005/Atom"'
        ' xmlns="http://www.w3.org/2005/Atom"><xs:complexType name="linkType"><xs:anyAttribute'
        ' processContents="lax"/></xs:complexType><xs:element name="link" type="linkType"/></xs:schema>'
    )
    official = etree.XMLSchema(etree.parse(tmp_path / "espi.xsd"))
    [application] = world.book.applications()
    own = world.grants.issue_own(application.id, "", world.now).access
    seen = set()
    paths = [
        f"Batch/Subscription/{subscription(world)}",
        "ReadingType",
        "LocalTimeParameters",
        "Authorization",
    ]
    answers = [world.get(path, token) for path in [*paths, "ServiceStatus"]]
    answers += [world.get(path, own) for path in ("ApplicationInformation", "Authorization", "ServiceStatus")]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        for content in etree.fromstring(answer.content).iter(f"{ATOM}content"):
            alone = etree.fromstring(etree.tostring(content[0]))
            assert official.validate(alone), official.error_log
            seen.add(etree.QName(alone).localname)
    assert seen == {
        "UsagePoint",
        "LocalTimeParameters",
        "MeterReading",
        "ReadingType",
        "IntervalBlock",
        "UsageSummary",
        "ServiceStatus",
        "ApplicationInformation",
        "Authorization",
    }


def test_what_is_asked_for_by_path_and_depth(world: World, token: str) -> None:
    root = f"Subscription/{subscription(world)}/UsagePoint"
    assert names(world.feed(root, token)) == ["UsagePoint"] * 2
    assert set(names(world.feed(root, token, depth="1"))) == {
        "UsagePoint",
        "LocalTimeParameters",
        "MeterReading",
        "UsageSummary",
    }
    assert "IntervalBlock" in names(world.feed(root, token, depth="2"))
    point = world.get(f"{root}/M%2F2%23x", token)
    assert etree.fromstring(point.content).tag == f"{ATOM}entry"
    kinds = world.feed(f"{root}/M1/MeterReading", token)
    assert names(kinds) == ["MeterReading"] * 2
    [reading] = [one for one in hrefs(kinds) if "import" in one]
    blocks = world.feed(f"{reading}/IntervalBlock", token)
    assert names(blocks) == ["IntervalBlock"] * 2 and len(values(blocks)) == 48
    assert names(world.feed(reading, token, depth="1")).count("IntervalBlock") == 2
    for wrong in (f"{root}/M9", f"{root}/M1/MeterReading/none", f"{root}/M1/Nothing/x", f"{root}/../M1"):
        assert world.get(wrong, token).status_code == 404, wrong


def test_by_times_and_pages(world: World, token: str) -> None:
    batch = f"Batch/Subscription/{subscription(world)}"
    late = world.now - timedelta(minutes=5)
    world.keep(hours(day=FIRST + timedelta(days=2), value=5), came=late, source="import:2")
    world.keep(hours(value=8, revision=2), came=late, source="import:3")
    since = (late - timedelta(minutes=1)).isoformat()
    new = world.feed(batch, token, published_min=since)
    assert names(new).count("IntervalBlock") == 1 and set(values(new)) == {5}
    changed = world.feed(batch, token, updated_min=since)
    assert names(changed).count("IntervalBlock") == 2 and set(values(changed)) == {5, 8}
    assert names(changed).count("UsagePoint") == 1, "of the other meter nothing has changed"
    assert {"MeterReading", "ReadingType", "LocalTimeParameters"} <= set(names(changed))
    old = world.feed(batch, token, published_max=since)
    assert set(values(old)) == {8, 7, 3, 9}
    assert names(world.feed(batch, token, updated_min=world.now.isoformat())) == []
    everything = hrefs(world.feed(batch, token))
    pages = [hrefs(world.feed(batch, token, start_index=str(at), max_results="3")) for at in range(1, 99, 3)]
    assert [href for page in pages for href in page] == everything and max(map(len, pages)) == 3


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("published-min=yesterday", "published-min is no time"),
        ("updated-max=2026-07-01T00:00:00", "no offset"),
        ("max-results=0", "max-results"),
        ("start-index=-1", "start-index"),
        ("depth=9", "depth"),
        ("depth=1&depth=2", "twice"),
        ("sql=1", "none of"),
    ],
)
def test_a_query_that_says_nothing_is_told_so(world: World, token: str, query: str, what: str) -> None:
    answer = world.client.get(
        f"{BASE}/Batch/Subscription/{subscription(world)}?{query}",
        headers={"authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 400 and what in answer.json()["detail"] and answer.json()["do"]


def test_a_token_opens_its_own_and_nothing_else(world: World, token: str) -> None:
    mine = subscription(world)
    other, other_secret = world.add(name="Other App")
    theirs = world.consented(other, other_secret, "M1")
    other_consent = theirs["resourceURI"].rpartition("/")[2]
    for path in (
        f"Batch/Subscription/{other_consent}",
        f"Subscription/{other_consent}/UsagePoint",
        "Batch/Subscription/x",
    ):
        assert world.get(path, token).status_code == 404
        assert world.get(path, "nonsense").status_code == 401
    assert world.get(f"Authorization/{other_consent}", token).status_code == 404
    assert world.get("Batch/Bulk/b1", token).status_code == 403
    assert world.get("ApplicationInformation", token).status_code == 403
    assert hrefs(world.feed("Authorization", token)) == [f"Authorization/{mine}"]
    own = world.own_token(other, other_secret)
    assert world.get(f"Batch/Subscription/{mine}", own).status_code == 404
    assert hrefs(world.feed("Authorization", own)) == [f"Authorization/{other_consent}"]
    assert world.get(f"ApplicationInformation/{other.id}", own).status_code == 200
    assert world.get("ApplicationInformation/ffffffffffff", own).status_code == 404
    for path in (
        "",
        "Nothing",
        "ServiceStatus/1",
        "Batch/RetailCustomer/1",
        "ReadingType/x",
        "LocalTimeParameters/x",
    ):
        assert world.get(path, token).status_code == 404, path


def test_the_bulk_has_all_who_consented_to_it(world: World) -> None:
    application, secret = world.add()
    token = world.own_token(application, secret)
    assert names(world.feed("Batch/Bulk/b1", token)) == []
    first, second = world.give(application, "M1"), world.give(application, "M/2#x")
    alone = world.give(application, "M1", scope=OWN)
    feed = world.feed("Batch/Bulk/b1", token)
    points = {href.split("/")[1] for href in hrefs(feed) if href.startswith("Subscription/")}
    assert points == {first.id, second.id}, "who consented to something else is not in it"
    assert world.get(f"Batch/Subscription/{first.id}", token).status_code == 200
    assert world.get(f"Batch/Subscription/{alone.id}", token).status_code == 403
    assert world.get("Batch/Bulk/b2", token).status_code == 403
    poor = world.own_token(application, secret, "FB=4_5")
    assert world.get("Batch/Bulk/b1", poor).status_code == 403
    world.grants.revoke(application.id, first.id, world.now)
    assert {
        href.split("/")[1] for href in hrefs(world.feed("Batch/Bulk/b1", token)) if "/UsagePoint" in href
    } == {second.id}


def test_no_more_than_the_scope_says(world: World) -> None:
    application, secret = world.add()
    world.keep(hours("M3", value=2, step=900))
    coarse = world.consented(application, secret, "M3", scope="FB=4_5;IntervalDuration=3600")
    feed = world.feed(coarse["resourceURI"], coarse["access_token"])
    assert set(values(feed)) == {8} and "UsageSummary" not in names(feed), "four quarters are an hour"
    sums = world.consented(application, secret, "M3", scope="FB=15")
    assert set(names(world.feed(sums["resourceURI"], sums["access_token"]))) == {
        "UsagePoint",
        "LocalTimeParameters",
        "UsageSummary",
    }
    short = world.consented(
        application, secret, "M1", scope="FB=4_5;IntervalDuration=900;BlockDuration=daily;HistoryLength=9"
    )
    found = world.feed(short["resourceURI"], short["access_token"])
    assert names(found).count("IntervalBlock") == 1, "what came before is not theirs"


def test_what_counts_is_given_and_gaps_are_none(world: World) -> None:
    application, secret = world.add()
    world.keep(hours("M4", value=None)._replace(values=[1] * 12 + [None] * 12))
    world.keep(
        hours("M4", value=None)._replace(values=[9] * 6 + [None] * 6 + [2] * 12),
        came=CAME + timedelta(hours=1),
    )
    said = world.consented(application, secret, "M4")
    assert values(world.feed(said["resourceURI"], said["access_token"])) == [1] * 12 + [2] * 12
    world.keep(
        hours("M4", value=None, revision=2)._replace(values=[5] * 3 + [None] * 21),
        came=CAME + timedelta(hours=2),
    )
    feed = world.feed(said["resourceURI"], said["access_token"])
    assert values(feed) == [5] * 3
    [block] = [
        one for one in feed.iter(f"{ATOM}entry") if one.find(f"{ATOM}content/{{*}}IntervalBlock") is not None
    ]
    assert block.findtext(f"{ATOM}published") == CAME.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert block.findtext(f"{ATOM}updated") == (CAME + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_so_many_feeds_at_once_and_no_more(world: World, token: str, tmp_path: Path) -> None:
    few = World(tmp_path / "few", feeds=1, requests_per_minute=60.0)
    application, secret = few.add()
    own = few.own_token(application, secret)
    answers = [few.get("ServiceStatus", own).status_code for _ in range(80)]
    assert answers.count(200) == 59 and answers[-1] == 429, "one was for the token"
    few.ticks += 60
    assert few.get("ServiceStatus", own).status_code == 200


def test_zone_of_the_gateway(world: World, token: str) -> None:
    assert hrefs(world.feed("LocalTimeParameters", token)) == [
        f"LocalTimeParameters/{ZONE.replace('/', '-')}"
    ]
