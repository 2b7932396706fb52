"""Counting: bounded labels, whatever anybody sends."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, make_pair
from tests.exchange.https_world import a_message

from intertie.bindings.operations.link import MeteredLink
from intertie.bindings.operations.logs import Lines
from intertie.bindings.operations.metrics import IN, OUT, Meter
from intertie.bindings.operations.sampling import Samples
from intertie.bindings.operations.telemetry import Tracer
from intertie.catalogue.load import load_catalogue
from intertie.exchange.circuit import FAILURES_MAX
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.operating.operations_ports import Stop
from intertie.gateway.receiving.accept_parcel import new_message
from intertie.model.errors import PartnerError
from intertie.model.message import read_envelope
from intertie.seal.receipt import Outcome
from intertie.seal.tree import leaf_hash


@pytest.fixture
def meter() -> Meter:
    return Meter(load_catalogue(), Tracer())


def values(meter: Meter, *more: Samples) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(meter.text(more).decode())
        for sample in family.samples
    }


def test_codes_that_a_partner_makes_up_are_one(meter: Meter) -> None:
    for code in ("schema", "made-up-1", "made-up-2", "ACCT-7731"):
        meter.refused(code, OUT)
    meter.refused("shed", IN)
    found = values(meter)
    assert found["intertie_refusals_total", "schema", OUT] == 1
    assert found["intertie_refusals_total", "other", OUT] == 3
    assert "ACCT-7731" not in meter.text([]).decode()


def test_a_flow_that_the_catalogue_does_not_have_is_other(meter: Meter) -> None:
    raw = a_message()
    row = new_message(raw, leaf_hash(raw), 0, read_envelope(raw).header)
    good = Outcome(message=row.id, leaf=row.leaf.hex(), status="accepted")
    meter.accepted(UTILITY, [row, row._replace(mode="made-up")], [good])
    found = values(meter)
    flows = {name[2] for name in found if name[0] == "intertie_messages_total"}
    assert flows == {f"DA/outage_notice.{row.mode}", "other"}


def test_what_is_sampled(meter: Meter, tmp_path: Path) -> None:
    gateway = make_pair().utility
    raw = a_message(UTILITY, AGGREGATOR)
    row = new_message(raw, leaf_hash(raw), 0, read_envelope(raw).header)
    gateway.store.add_outgoing([row], [], NOW - timedelta(seconds=30))
    gateway.store.raise_stop(Stop(AGGREGATOR, False, NOW, NOW + timedelta(hours=1)), [])
    gateway.store.raise_stop(Stop(AGGREGATOR, True, NOW, NOW), [])  # over
    found = values(meter, Samples(gateway, tmp_path, meter.needs, lambda: NOW))
    assert found["intertie_queue_messages", AGGREGATOR, str(row.priority), "queued"] == 1
    assert found["intertie_queue_oldest_seconds", AGGREGATOR, str(row.priority)] == 30
    assert found["intertie_stop", "out", AGGREGATOR] == 1
    assert ("intertie_stop", "in", AGGREGATOR) not in found


class Door:
    """A partner's door that answers what a test says."""

    def __init__(self) -> None:
        self.answer: LinkAnswer | PartnerError = LinkAnswer(200, b"", None)

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        if isinstance(self.answer, PartnerError):
            raise self.answer
        return self.answer

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        if isinstance(self.answer, PartnerError):
            raise self.answer
        return None

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        return LinkAnswer(200, raw, None)

    async def get_descriptor(self, partner: Partner) -> bytes:
        return b"descriptor"


@pytest.mark.parametrize(
    "answer, opens",
    [
        (PartnerError("no answer"), FAILURES_MAX),
        (LinkAnswer(503, b"", None), FAILURES_MAX),
        (LinkAnswer(429, b"", 7.0), 1),
        (LinkAnswer(422, b"", None), None),
        (LinkAnswer(200, b"", None), None),
    ],
)
def test_the_link_breaks_the_circuit(
    meter: Meter, answer: LinkAnswer | PartnerError, opens: int | None
) -> None:
    partner = make_pair().utility.partners.all()[0]
    door, at = Door(), [NOW]
    link = MeteredLink(door, meter, lambda: at[0], lambda: 0.0)
    door.answer = answer

    def post() -> None:
        step = link.post(partner, b"12345", urgency=3)
        try:
            step.send(None)
        except (StopIteration, PartnerError):
            return
        raise AssertionError("it waits")

    for number in range(1, 6):
        post()
        assert link.may_send(partner.party) is (opens is None or number < opens)
    found = values(meter)
    assert found["intertie_parcel_bytes_total", OUT, partner.party] == 25
    assert found["intertie_circuit_state", partner.party] == (0 if opens is None else 2)
    at[0] += timedelta(minutes=11)
    assert link.may_send(partner.party)
    door.answer = LinkAnswer(200, b"", None)
    post()
    assert values(meter)["intertie_circuit_state", partner.party] == 0


def test_fetching_shares_the_circuit_with_sending(meter: Meter) -> None:
    link = MeteredLink(Door(), meter, lambda: NOW, lambda: 0.0)
    party = make_pair().utility.partners.all()[0].party
    for _ in range(FAILURES_MAX):
        assert link.may_send(party)
        link.failed(party, None)
    assert not link.may_send(party)
    link.answered(party)
    assert link.may_send(party)
    link.failed(party, 9.0)
    assert not link.may_send(party), "it asked to come later"
    link.came(party, 77)
    assert values(meter)["intertie_parcel_bytes_total", IN, party] == 77


def test_a_line_for_people_is_one_line() -> None:
    record = logging.LogRecord("intertie.x", logging.INFO, "f", 1, "an event", (), None)
    record.why = 'broken\n{"at": "forged"}'
    record.partner = "a.example"
    text = Lines("text", party="u.example", worker=3).format(record)
    assert "\n" not in text and "worker=3" in text and "partner=a.example" in text
    try:
        raise ValueError("ACCT-7731")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "error=ValueError" in Lines("text").format(record) and "7731" not in Lines("text").format(record)
