"""Terms as a person writes them: templates with every default, files, `--set`, and what is wrong with them."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields
from tests.command.gateways import AGGREGATOR, here, make_pair

from intertie.cli._terms import read_terms, record_of, said_of, template, toml, with_set
from intertie.model.agreement import BaseContract, Elections
from intertie.model.contract import Confirmation
from intertie.model.documents import example
from intertie.model.errors import SettingsError
from intertie.model.ids import DocumentName

KINDS = {"base_contract": BaseContract, "confirmation": Confirmation}


def shown(document: str) -> Any:
    return example(DocumentName(document))[1]


@pytest.mark.parametrize("document", KINDS)
def test_a_template_of_a_document_is_that_document(document: str) -> None:
    body = shown(document)
    text = template(KINDS[document], said_of(body))
    assert record_of(KINDS[document], tomllib.loads(text, parse_float=Decimal)) == body


def test_every_election_is_shown_with_its_default_and_taken_at_its_word() -> None:
    text = template(BaseContract, {})
    for field in fields(Elections):
        assert f"# {field.name} = {toml(field.default)}" in text
    assert "# effective = ...   # needed" in text and "[calendar]" in text
    chosen = "\n".join(
        line.removeprefix("# ").removesuffix("   # none")
        for line in text.partition("[elections]")[2].partition("\n[")[0].splitlines()
        if "none" not in line
    )
    assert msgspec.convert(tomllib.loads(chosen, parse_float=Decimal), Elections) == Elections()


def test_set_reaches_a_part_of_a_part_and_leaves_what_was_given() -> None:
    before = {"elections": {"currency": "EUR"}, "agreement": "A"}
    after = with_set(
        before,
        [
            "elections.netting=gross",
            "elections.tolerance_percent=2.5",
            "effective=2026-01-01T00:00:00Z",
            "agreement=B",
            "elections.interval_seconds=[300, 900]",
        ],
    )
    assert after == {
        "agreement": "B",
        "effective": datetime(2026, 1, 1, tzinfo=UTC),
        "elections": {
            "currency": "EUR",
            "netting": "gross",
            "tolerance_percent": Decimal("2.5"),
            "interval_seconds": [300, 900],
        },
    }
    assert before == {"elections": {"currency": "EUR"}, "agreement": "A"}


@pytest.mark.parametrize("setting", ["nothing", "=x", "agreement.part=1"])
def test_what_is_no_setting_is_said(setting: str) -> None:
    with pytest.raises(SettingsError):
        with_set({"agreement": "A"}, [setting])


def test_a_file_that_is_none_and_a_term_that_is_unknown_are_named(tmp_path: Path) -> None:
    file = tmp_path / "terms.toml"
    file.write_text("a = = 1")
    with pytest.raises(SettingsError, match=r"terms\.toml"):
        read_terms(file)
    assert read_terms(None) == {}
    with pytest.raises(SettingsError, match="neting"):
        record_of(BaseContract, {**said_of(shown("base_contract")), "elections": {"neting": "gross"}})


def test_a_template_begins_with_who_the_two_are_and_what_a_rule_forbids_does_not_leave(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    utility, _ = make_pair(tmp_path)
    arguments = ("trade", "propose", AGGREGATOR, "GSA-9", "--dir", utility)
    begun = tomllib.loads(here(capsys, *arguments, "--template").out)
    assert (begun["buyer"], begun["seller"]) == ("utility.example", AGGREGATOR)
    terms = tmp_path / "general.pdf"
    terms.write_bytes(b"the general terms")
    whole = (
        *arguments,
        "--general-terms",
        terms,
        "--set",
        "effective=2026-01-01T00:00:00Z",
        "--set",
        'calendar={name = "utility", zone = "America/New_York"}',
    )
    assert "Proposal: revision 1 of GSA-9" in here(capsys, *whole).out
    again = here(capsys, *arguments, "--set", "elections.netting=gross")
    assert again.code == 1 and "contract.first_revision" in again.err  # nobody has the first one yet
    kept = tomllib.loads(here(capsys, *arguments, "--template").out)
    assert kept["general_terms"]["title"] == "general" and kept["agreement"] == "GSA-9"
    seller = here(capsys, *arguments, "--set", "seller=third.example")
    assert seller.code == 1 and "contract." in seller.err
    mended = here(capsys, "trade", "mend", AGGREGATOR, "--dir", utility)
    assert mended.code == 0 and "No receipt is missing." in mended.out and "digest" in mended.out
    assert here(capsys, "trade", "mend", AGGREGATOR, "--dir", utility, "--json").json["messages"] == []
    nothing = here(capsys, "trade", "confirm", AGGREGATOR, "D-1", "--dir", utility)
    assert nothing.code == 1 and "was not signed through the gateway" in nothing.err
