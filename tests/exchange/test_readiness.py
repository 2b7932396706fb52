"""Whether a gateway says that it is ready, and why not; what the operations door answers then."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.exchange.house import END, NOW, Pair, make_pair

from intertie.bindings.operations.door import OperationsDoor
from intertie.bindings.operations.metrics import Meter
from intertie.bindings.operations.telemetry import Tracer
from intertie.gateway.operating.readiness import certificate_ends, reasons
from intertie.model.errors import StoreError


@pytest.fixture
def pair() -> Pair:
    return make_pair()


def well() -> None:
    """The store's keys open."""


def locked() -> None:
    raise StoreError("the store's key is not here")


def codes(pair: Pair, unlock=well, now=NOW) -> list[str]:  # type: ignore[no-untyped-def]
    return [reason.code for reason in reasons(pair.utility, unlock, now)]


def door(pair: Pair, tmp_path: Path, unlock=well) -> tuple[OperationsDoor, TestClient]:  # type: ignore[no-untyped-def]
    meter = Meter(pair.utility.catalogue, Tracer())
    made = OperationsDoor(pair.utility, meter, tmp_path, lambda: NOW, unlock)
    return made, TestClient(made.app())


def test_all_is_well(pair: Pair) -> None:
    assert codes(pair) == []
    ends = dict(certificate_ends(pair.utility))
    assert set(ends) == {"tls", *pair.utility.keys.signing} and min(ends.values()) > NOW


def test_each_thing_that_stands_in_the_way_is_named(pair: Pair) -> None:
    assert codes(pair, locked) == ["store_locked"]
    assert set(codes(pair, now=END + timedelta(days=1))) == {"certificate"}
    pair.utility.store.close()
    assert codes(pair) == ["store"] or codes(pair, locked) == ["store", "store_locked"]


def test_the_door_says_so(pair: Pair, tmp_path: Path) -> None:
    made, client = door(pair, tmp_path)
    assert client.get("/readyz").json() == {"ready": True, "reasons": []}
    made.draining = True
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "reasons": [{"code": "draining", "why": "this gateway was told to stop"}],
    }
    assert client.get("/healthz").status_code == 200
    assert client.post("/readyz").status_code == 405


def test_metrics_go_on_when_the_store_does_not(pair: Pair, tmp_path: Path) -> None:
    _, client = door(pair, tmp_path, locked)
    assert client.get("/readyz").json()["reasons"][0]["code"] == "store_locked"
    assert "intertie_journal_entries" in client.get("/metrics").text
    pair.utility.store.close()
    text = client.get("/metrics").text
    assert "intertie_journal_entries" not in text and "intertie_certificate_days_left" in text
