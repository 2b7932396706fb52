"""What the demo writes for an aggregator that does not speak parcels: legacy files that both sides can read, and the comparison
with the season in parcels."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.demo.test_demo_screen import SUMMARY

from intertie.demo.carried import compare
from intertie.demo.gateways import AGGREGATOR, UTILITY, DemoError
from intertie.demo.speaking import ALL_SPOKEN, LEGACY_UNTIL, Ends, Speaks, legacy_text, speaks_of
from intertie.gateway.translating.foreign import Foreign, Level

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINTpc6LJHdP6gqLd6lIejPXheD3w8GNxLGJtrNLyrUTq"
KEYS = {
    "sftp": KEY,
    "as2": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "internet_et": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
}


@pytest.mark.parametrize("speaks", ALL_SPOKEN, ids=lambda one: one.name)
def test_both_legacy_files_are_read(speaks: Speaks) -> None:
    keys = dict.fromkeys((UTILITY, AGGREGATOR), KEYS[speaks.carrier])
    ports = {UTILITY: 7001, AGGREGATOR: 7002}
    for us, them in ((UTILITY, AGGREGATOR), (AGGREGATOR, UTILITY)):
        text = legacy_text(speaks, Ends(us, them, ports, keys), "Europe/Berlin")
        found = msgspec.convert(tomllib.loads(text), Foreign)
        assert (found.binding, found.formats) == (speaks.carrier, list(speaks.formats))
        assert (found.name, found.roles, found.legacy_until) == (them.name, them.roles, LEGACY_UNTIL)
        assert found.closing is Level.BUSINESS and found.contract is None  # it is made through the gateways
        if found.url:
            assert f":{ports[them]}" in found.url
    assert speaks_of(speaks.name) is speaks


def test_another_protocol_is_none_of_them() -> None:
    with pytest.raises(DemoError, match=r"none of internet-et\+x12"):
        speaks_of("fax")


def season(**changed: Any) -> dict[str, Any]:
    return SUMMARY._replace(**changed)._asdict()


def compared(tmp_path: Path, **changed: Any) -> dict[str, Any]:
    native = tmp_path / "native.json"
    native.write_text(json.dumps(season()))
    return compare(season(**changed), native)


def test_the_same_outcome_is_the_same_whatever_ids_and_hashes_it_has(tmp_path: Path) -> None:
    books = [{**SUMMARY.books[0], "digest": "ff" * 32}]
    account = {**SUMMARY.account, "sha256": "cd" * 32, "documents": ["elsewhere.pdf"]}
    found = compared(
        tmp_path, books=books, account=account, receipts=7, evidence="x", seconds=99.0, carried=[]
    )
    assert found["same"] and not found["differences"]
    assert found["paid"] == ["507.19 EUR"] * 2 and found["total"] == ["108.24"] * 2


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"paid": "507.20 EUR"}, "paid"),
        ({"invoice": {**SUMMARY.invoice, "total": "108.25"}}, "invoice"),
        ({"events": SUMMARY.events[:1]}, "events"),
        ({"flows": {}}, "flows"),
        ({"unreceipted": 1}, "unreceipted"),
        ({"account": {**SUMMARY.account, "closing": "0.01"}}, "account.closing"),
        ({"refused": []}, "refused"),
    ],
)
def test_a_cent_or_a_message_more_is_another_outcome(
    tmp_path: Path, changed: dict[str, Any], name: str
) -> None:
    found = compared(tmp_path, **changed)
    assert not found["same"] and found["differences"] == [name]


def test_a_message_that_was_refused_is_compared_by_what_it_is(tmp_path: Path) -> None:
    one = {
        "what": "message",
        "id": "1",
        "document": "availability_declaration",
        "from": "aggregator",
        "reason": "a",
    }
    native = tmp_path / "native.json"
    native.write_text(json.dumps(season(refused=[one])))
    assert compare(season(refused=[one | {"id": "2", "reason": "a, as its protocol says it"}]), native)[
        "same"
    ]
    assert not compare(season(refused=[one | {"document": "invoice"}]), native)["same"]
