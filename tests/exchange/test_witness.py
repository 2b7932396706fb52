"""The street door's pages about journals: for partners only, about themselves only, bounded, and true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    Caller,
    Door,
    House,
    caller,
    make_ca,
    make_house,
    now,
    open_door,
)
from tests.exchange.witness_world import PARCELS, Traffic, audit, make_traffic, over_link, queue, send
from tests.tsa import Tsa, needs_openssl

from intertie.bindings.parcel_https import witness
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.bindings.parcel_https.witness_client import PatientPages
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.ports import Query
from intertie.gateway.proving.audit_own import ask_witness
from intertie.gateway.proving.audit_partner import FRESH, audit_partner
from intertie.gateway.proving.export_evidence import NoEvidenceError
from intertie.gateway.proving.prove_message import prove_message
from intertie.gateway.proving.stamp_journal import begin_stamp, finish_stamp
from intertie.gateway.proving.witness import PROOFS_MAX, Lines, Proofs, hashes_of
from intertie.gateway.sending.deliver import deliver_once
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Kind, read_entry
from intertie.journal.proof import check_entry, check_growth
from intertie.model.errors import PartnerError
from intertie.seal.checkpoint import HEADS_MAX, verify_checkpoint, verify_witness
from intertie.seal.encoding import from_base64url
from intertie.seal.timestamp import read_tsa_roots


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    rest = make_traffic(tmp_path_factory.mktemp("traffic"))
    again = rest.again(tmp_path_factory.mktemp("again"))
    yield again
    again.close()


@pytest.fixture(scope="module")
def doors(traffic: Traffic) -> Iterator[tuple[Door, Door]]:
    with traffic.open() as both:
        yield both


@pytest.fixture(scope="module")
def ask(traffic: Traffic, doors: tuple[Door, Door]) -> Iterator[httpx.Client]:
    """The utility asks the aggregator."""
    with caller(traffic.utility, traffic.aggregator) as client:
        client.base_url = httpx.URL(doors[1].url)
        authorize(client, doors[1].url)
        yield client


def authorize(client: Caller, url: str) -> None:
    """The client shows a token of this door from now on."""
    client.headers["authorization"] = f"Bearer {client.token(url)}"


def known(traffic: Traffic) -> dict[str, object]:
    gateway = traffic.utility.gateway
    writer = traffic.aggregator.gateway.keys.public()
    return {"writer": writer, "reader": UTILITY, "trust": gateway.trust, "now": now()}


def present(traffic: Traffic) -> Head:
    return traffic.aggregator.gateway.store.head()


def test_a_checkpoint_of_the_present_and_of_an_earlier_size(traffic: Traffic, ask: httpx.Client) -> None:
    answer = ask.get("/journal/checkpoint")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jose+json")
    said = verify_checkpoint(answer.content, **known(traffic))  # type: ignore[arg-type]
    head = present(traffic)
    assert (said.sender, said.recipient, said.size, said.present) == (
        AGGREGATOR,
        UTILITY,
        head.size,
        head.size,
    )
    assert said.root == head.root.hex()
    for kept in traffic.utility.gateway.store.partner_heads(traffic.aggregator.gateway.party.id):
        raw = ask.get(f"/journal/checkpoint?size={kept.size}").content
        earlier = verify_checkpoint(raw, **known(traffic))  # type: ignore[arg-type]
        assert (earlier.size, earlier.root, earlier.present) == (kept.size, kept.root.hex(), head.size)


def test_proofs_of_growth(traffic: Traffic, ask: httpx.Client) -> None:
    head = present(traffic)
    kept = traffic.utility.gateway.store.partner_heads(traffic.aggregator.gateway.party.id)
    sizes = ",".join(str(h.size) for h in kept)
    answer = ask.get(f"/journal/growth?size={head.size}&earlier={sizes}")
    found = msgspec.json.decode(answer.content, type=Proofs)
    assert found.size == head.size
    assert len(kept) == PARCELS
    for earlier, proof in zip(kept, found.proofs, strict=True):
        assert proof.earlier == earlier.size
        check_growth(earlier, head, hashes_of(proof.hashes))


def test_the_heads_that_are_held_of_the_asker(traffic: Traffic, ask: httpx.Client) -> None:
    said = verify_witness(ask.get("/journal/witnessed").content, **known(traffic))  # type: ignore[arg-type]
    held = traffic.aggregator.gateway.store.partner_heads(traffic.utility.gateway.party.id)
    assert [(h.size, h.root) for h in said.heads] == [(h.size, h.root.hex()) for h in held]
    assert (len(said.heads), said.more) == (2, False)
    first = said.heads[0]
    rest = ask.get(f"/journal/witnessed?size={first.size}&root={first.root}").content
    assert verify_witness(rest, **known(traffic)).heads == said.heads[1:]  # type: ignore[arg-type]


def test_ones_own_lines_in_the_partners_journal(traffic: Traffic, ask: httpx.Client) -> None:
    head = present(traffic)
    row = traffic.utility.gateway.store.messages(Query(outgoing=True))[0]
    answer = ask.get(f"/journal/lines?size={head.size}&parcel={row.parcel}&message={row.id}")
    found = msgspec.json.decode(answer.content, type=Lines)
    entries = []
    for line in found.entries:
        raw = from_base64url(line.entry)
        check_entry(raw, line.index, hashes_of(line.hashes), head)
        entries.append(read_entry(raw))
    assert [(e.kind, e.message) for e in entries] == [(Kind.MESSAGE_IN, row.id), (Kind.RECEIPT_OUT, None)]
    assert entries[0].digest == row.leaf.hex()
    whole = ask.get(f"/journal/lines?size={head.size}&parcel={row.parcel}")
    assert len(msgspec.json.decode(whole.content, type=Lines).entries) == 1
    early = ask.get(f"/journal/lines?size={found.entries[1].index}&parcel={row.parcel}&message={row.id}")
    assert len(msgspec.json.decode(early.content, type=Lines).entries) == 1


def test_of_others_nothing_is_shown(traffic: Traffic, doors: tuple[Door, Door], tmp_path: Path) -> None:
    """A third partner asks for a parcel of the utility's."""
    ca_house = traffic.utility
    third = make_house(tmp_path / "third", make_ca("Other"), THIRD)
    head = present(traffic)
    row = ca_house.gateway.store.messages(Query(outgoing=True))[0]
    desk = witness.WitnessDesk(traffic.aggregator.gateway)
    raw = desk.lines(third.gateway.party.id, row.parcel, row.id, head.size)  # type: ignore[arg-type]
    assert msgspec.json.decode(raw, type=Lines).entries == ()
    raw = desk.witnessed(third.gateway.party.id, Head(-1, b""), now())
    assert json.loads(from_base64url(json.loads(raw)["payload"]))["heads"] == []


@pytest.mark.parametrize(
    ("page", "status", "code"),
    [
        ("/journal/checkpoint?size=999999", 404, "no_such_head"),
        ("/journal/checkpoint?size=-1", 400, "bad_request"),
        ("/journal/checkpoint?size=", 400, "bad_request"),
        ("/journal/checkpoint?size=1e3", 400, "bad_request"),
        ("/journal/checkpoint?size=07", 400, "bad_request"),
        ("/journal/checkpoint?size=99999999999999999999", 400, "bad_request"),
        ("/journal/growth", 400, "bad_request"),
        ("/journal/growth?size=5", 400, "bad_request"),
        ("/journal/growth?size=5&earlier=1,,2", 400, "bad_request"),
        ("/journal/growth?size=5&earlier=6", 404, "no_such_head"),
        ("/journal/growth?size=999999&earlier=1", 404, "no_such_head"),
        (f"/journal/growth?size=5&earlier={','.join(['1'] * (PROOFS_MAX + 1))}", 400, "bad_request"),
        ("/journal/witnessed?size=5", 400, "bad_request"),
        ("/journal/witnessed?size=5&root=zz", 400, "bad_request"),
        ("/journal/lines?size=5", 400, "bad_request"),
        ("/journal/lines?size=5&parcel=../x", 400, "bad_request"),
        ("/journal/lines?size=999999&parcel=019aab5c-1c00-7000-8000-000000000001", 404, "no_such_head"),
        ("/journal", 404, "not_found"),
    ],
)
def test_questions_that_make_no_sense(ask: httpx.Client, page: str, status: int, code: str) -> None:
    answer = ask.get(page)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_pages_are_read_not_posted(ask: httpx.Client) -> None:
    assert ask.post("/journal/checkpoint").status_code == 405


def test_strangers_and_suspended_partners_get_nothing(traffic: Traffic, tmp_path: Path) -> None:
    house = traffic.aggregator
    empty = House(house.directory, replace(house.gateway, partners=type(house.book)()), type(house.book)())
    with open_door(empty) as door, caller(traffic.utility, house) as client:
        for page in ("checkpoint", "growth?size=1&earlier=1", "witnessed", "lines?size=1"):
            answer = client.get(f"{door.url}/journal/{page}")
            assert (answer.status_code, answer.json()["code"]) == (403, "unknown_sender")
        suspended = House(house.directory, replace(empty.gateway, partners=empty.book), empty.book)
        suspended.knows(traffic.utility, suspended=True)
    with open_door(suspended) as door, caller(traffic.utility, house) as client:
        answer = client.get(f"{door.url}/journal/checkpoint")
        assert (answer.status_code, answer.json()["code"]) == (403, "sender_suspended")


def test_without_a_token_nothing_is_answered(traffic: Traffic, doors: tuple[Door, Door]) -> None:
    with caller(traffic.utility, traffic.aggregator) as client:
        for page in ("checkpoint", "growth?size=1&earlier=1", "witnessed", "lines?size=1"):
            assert client.get(f"{doors[1].url}/journal/{page}").status_code == 401


def test_too_many_questions_wait_and_go_on(
    traffic: Traffic, doors: tuple[Door, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "BURST", 3.0)
    monkeypatch.setattr(witness, "PER_SECOND", 2.0)
    with open_door(traffic.aggregator) as door, caller(traffic.utility, traffic.aggregator) as client:
        authorize(client, door.url)
        answers = [client.get(f"{door.url}/journal/growth?size=1&earlier=1") for _ in range(8)]
        assert 429 in {a.status_code for a in answers}
        limited = next(a for a in answers if a.status_code == 429)
        assert limited.json()["code"] == "rate_limited"
        assert int(limited.headers["retry-after"]) >= 1
        partner = traffic.utility.book.partners[traffic.aggregator.gateway.party.id]

        async def patient(link: HttpsLink) -> list[int]:
            pages = PatientPages(link)
            there = partner._replace(url=door.url)
            return [(await pages.get(there, "/journal/growth?size=1&earlier=1")).status for _ in range(4)]

        assert over_link(traffic.utility, patient) == [200] * 4


def test_a_damaged_store_is_said(traffic: Traffic) -> None:
    house = traffic.aggregator
    closed = replace(house.gateway, store=type(house.gateway.store)(traffic.stores / "none.db"))  # type: ignore[call-arg]
    with (
        open_door(House(house.directory, closed, house.book)) as door,
        caller(traffic.utility, house) as client,
    ):
        authorize(client, door.url)
        closed.store.close()
        answer = client.get(f"{door.url}/journal/checkpoint")
        assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (503, "store", True)


# What an audit makes of answers that are none


class Answers:
    """A link that answers what it is told, and asks the real one for the rest."""

    def __init__(self, link: HttpsLink, instead: dict[str, LinkAnswer | PartnerError]) -> None:
        self._link = link
        self._instead = instead

    async def get(self, partner: Partner, path: str) -> LinkAnswer:
        answer = self._instead.get(path.partition("?")[0])
        if isinstance(answer, PartnerError):
            raise answer
        return answer or await self._link.get(partner, path)


@pytest.mark.parametrize(
    ("page", "answer", "state", "detail"),
    [
        ("checkpoint", PartnerError("no answer"), "unreachable", "no answer"),
        ("checkpoint", LinkAnswer(200, b"{}", None), "unproven", "its checkpoint is none"),
        ("checkpoint", LinkAnswer(403, b"{}", None), "unproven", "answers 403"),
        ("growth", LinkAnswer(200, b"{}", None), "unproven", "cannot be read"),
        ("growth", LinkAnswer(200, b'{"proofs":[],"size":1}', None), "unproven", "does not prove"),
        ("growth", LinkAnswer(503, b"", None), "unproven", "answers 503"),
    ],
)
def test_no_answer_is_no_proof(
    traffic: Traffic,
    doors: tuple[Door, Door],
    page: str,
    answer: LinkAnswer | PartnerError,
    state: str,
    detail: str,
) -> None:
    gateway = traffic.utility.gateway
    partner = traffic.utility.book.all()[0]

    async def work(link: HttpsLink) -> None:
        found = await audit_partner(
            gateway, Answers(link, {f"/journal/{page}": answer}), partner, now(), everything=True
        )
        assert found.evidence is None
        assert found.finding.state == state
        assert detail in found.finding.detail

    over_link(traffic.utility, work)


def test_an_old_checkpoint_shown_again_is_no_proof(traffic: Traffic, doors: tuple[Door, Door]) -> None:
    with caller(traffic.utility, traffic.aggregator) as client:
        authorize(client, doors[1].url)
        old = client.get(f"{doors[1].url}/journal/checkpoint").content

    async def work(link: HttpsLink) -> None:
        partner, later = traffic.utility.book.all()[0], now() + 2 * FRESH
        answers = Answers(link, {"/journal/checkpoint": LinkAnswer(200, old, None)})
        found = await audit_partner(traffic.utility.gateway, answers, partner, later)
        assert (found.finding.state, "old one" in found.finding.detail) == ("unproven", True)

    over_link(traffic.utility, work)


@pytest.mark.parametrize(
    "answer",
    [LinkAnswer(403, b"", None), LinkAnswer(200, b"{}", None), LinkAnswer(200, b"", None)],
)
def test_who_does_not_say_what_it_holds_is_named(
    traffic: Traffic, doors: tuple[Door, Door], answer: LinkAnswer
) -> None:
    async def work(link: HttpsLink) -> None:
        partner = traffic.utility.book.all()[0]
        with pytest.raises(PartnerError, match=AGGREGATOR):
            await ask_witness(
                traffic.utility.gateway, Answers(link, {"/journal/witnessed": answer}), partner, now()
            )

    over_link(traffic.utility, work)


def test_many_heads_come_in_pages(
    traffic: Traffic, doors: tuple[Door, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertie.gateway.proving.witness.HEADS_MAX", 1)

    async def work(link: HttpsLink) -> list[Head]:
        return await ask_witness(traffic.utility.gateway, link, traffic.utility.book.all()[0], now())

    assert len(over_link(traffic.utility, work)) == 2
    assert HEADS_MAX == 1000


def test_a_head_that_came_while_we_asked(traffic: Traffic, doors: tuple[Door, Door], tmp_path: Path) -> None:
    """A receipt between the checkpoint and the heads: the checkpoint is asked for once more."""
    partner = traffic.utility.book.all()[0]

    class Late(Answers):
        sent = False

        async def get(self, partner: Partner, path: str) -> LinkAnswer:
            answer = await super().get(partner, path)
            if not self.sent:
                self.sent = True
                queue(traffic.utility, traffic.aggregator)
                from_there = await self._deliver()
                assert from_there
            return answer

        async def _deliver(self) -> bool:
            delivery = await deliver_once(
                traffic.utility.gateway, self._link, partner.party, now, lambda: 0.5
            )
            return delivery is not None and delivery.receipted

    async def work(link: HttpsLink) -> None:
        found = await audit_partner(traffic.utility.gateway, Late(link, {}), partner, now())
        assert found.finding.state == "consistent", found

    over_link(traffic.utility, work)


def test_an_unreachable_partner_leaves_the_audit_open(traffic: Traffic, doors: tuple[Door, Door]) -> None:
    send(traffic.utility, traffic.aggregator)
    partner = traffic.utility.book.all()[0]
    traffic.utility.book.partners[partner.party] = partner._replace(url="https://127.0.0.1:1")
    try:
        found = audit(traffic.utility)
    finally:
        traffic.utility.book.partners[partner.party] = partner
    assert (found.sound, found.own.state, found.partners[0].state) == (False, "consistent", "unreachable")
    assert list(found.silent) == [AGGREGATOR]


# A message in the partner's journal


def test_a_message_is_in_the_partners_journal(traffic: Traffic, doors: tuple[Door, Door]) -> None:
    gateway = traffic.utility.gateway
    sent = gateway.store.messages(Query(outgoing=True))[0]
    came = gateway.store.messages(Query(outgoing=False))[0]

    async def work(link: HttpsLink) -> None:
        proven = await prove_message(gateway, link, sent, now())
        assert [entry.kind for _, entry in proven.entries] == [Kind.MESSAGE_IN, Kind.RECEIPT_OUT]
        assert proven.head == present(traffic)
        proven = await prove_message(gateway, link, came, now())
        assert [entry.kind for _, entry in proven.entries] == [Kind.PARCEL_OUT, Kind.RECEIPT_IN]
        with pytest.raises(PartnerError, match="proves no entry"):
            await prove_message(gateway, link, sent._replace(parcel=came.parcel), now())
        with pytest.raises(NoEvidenceError):
            await prove_message(gateway, link, sent._replace(parcel=None), now())
        for page, answer in (
            ("lines", LinkAnswer(404, b"", None)),
            ("lines", LinkAnswer(200, b"{}", None)),
            ("checkpoint", LinkAnswer(200, b"{}", None)),
        ):
            with pytest.raises(PartnerError, match=AGGREGATOR):
                await prove_message(gateway, Answers(link, {f"/journal/{page}": answer}), sent, now())

    over_link(traffic.utility, work)


@needs_openssl
def test_a_checkpoint_carries_the_newest_time_stamp(
    traffic: Traffic, doors: tuple[Door, Door], tmp_path: Path
) -> None:
    tsa = Tsa(tmp_path / "tsa")
    trust = read_tsa_roots(tsa.root.read_bytes())
    theirs, ours = traffic.aggregator.gateway, traffic.utility.gateway
    kept = finish_stamp(theirs, tsa.reply(begin_stamp(theirs, now()).request), trust, now())
    partner = traffic.utility.book.all()[0]

    async def work(link: HttpsLink) -> None:
        found = (await audit_partner(ours, link, partner, now(), tsa=trust)).finding
        assert (found.state, found.stamped, found.stamped_by) == (
            "consistent",
            kept.stamped.at,
            "CN=Test TSA",
        )
        strange = read_tsa_roots(Tsa(tmp_path / "other").root.read_bytes())
        found = (await audit_partner(ours, link, partner, now(), tsa=strange)).finding
        assert (found.state, "its time stamp proves nothing" in found.detail) == ("unproven", True)
        found = (await audit_partner(ours, link, partner, now())).finding
        assert (found.state, found.stamped) == ("consistent", None)

    over_link(traffic.utility, work)


def test_a_receipt_is_given_again_to_who_sent_the_parcel_and_to_nobody_else(
    traffic: Traffic, doors: tuple[Door, Door]
) -> None:
    store = traffic.utility.gateway.store
    row = next(row for row in store.messages(Query(outgoing=True)) if row.parcel is not None)
    assert row.parcel is not None
    sent = store.parcel(row.parcel, outgoing=True)
    assert sent is not None
    page = f"/journal/receipt?parcel={row.parcel}"
    with caller(traffic.utility, traffic.aggregator) as client:
        authorize(client, doors[1].url)
        given = client.get(doors[1].url + page)
        assert (given.status_code, given.content) == (200, sent.receipt)
        missing = client.get(f"{doors[1].url}/journal/receipt?parcel={row.id}")
        assert missing.status_code == 404 and missing.json()["code"] == "no_such_receipt"
        assert client.get(f"{doors[1].url}/journal/receipt?parcel=x").status_code == 400
    with caller(traffic.aggregator, traffic.utility) as client:  # its own id there is nobody's
        authorize(client, doors[0].url)
        assert client.get(doors[0].url + page).status_code == 404
