"""Every part once, quickly: its rows, and that what is timed does what it says. No time is asserted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from bench import at_rest, handshakes, receipts, sealing
from bench.__main__ import PARTS, main
from bench.machine import machine
from bench.measure import OURS, PRIMITIVES, QUICK, Against, Row, Spread
from bench.report import as_json, number, table
from bench.world import MESSAGE_BYTES, NOW, world
from rich.console import Console

from intertie.model.errors import Refused
from intertie.seal import x509_path
from intertie.seal.profile import PROFILES

Found = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The rows of a quick run, by part. (What is measured at work is run by the commands of docs/performance.md.)"""
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    assert main(["--quick", "--json", str(file), *PARTS]) == 0
    figures = json.loads(file.read_bytes())
    assert figures["machine"]["cores"] >= 1 and figures["scale"]["runs"] == QUICK.runs
    return {part: [row for row in figures["rows"] if row["part"] == part] for part in PARTS}


def keys(rows: list[dict[str, Any]]) -> set[tuple[str, int, str]]:
    return {(row["subject"], row["messages"], row["act"]) for row in rows}


@pytest.mark.parametrize("module", [sealing, receipts])
def test_each_profile_size_and_act(found: Found, module: Any) -> None:
    part = module.__name__.removeprefix("bench.")
    wanted = {(name, count, act) for name in PROFILES for count in QUICK.counts for act in module.ACTS}
    assert keys(found[part]) == wanted and len(found[part]) == len(wanted)


def test_handshakes_are_compared_with_the_standard_library(found: Found) -> None:
    assert [row["subject"] for row in found["handshakes"]] == [v.name for v in handshakes.VARIANTS]
    for row in found["handshakes"]:
        assert set(row["against"]) == {PRIMITIVES, handshakes.STANDARD_LIBRARY}


def test_the_store_is_compared_with_a_bare_file(found: Found) -> None:
    stored = {row["subject"] for row in found["at_rest"] if at_rest.BARE_SQLITE in row["against"]}
    assert stored == {"keep in the store", "read from the store", "append to the journal"}
    assert {row["messages"] for row in found["at_rest"]} == set(QUICK.counts)


@pytest.mark.parametrize("part", PARTS)
def test_every_ratio_is_of_the_same_runs(found: Found, part: str) -> None:
    assert found[part]
    for row in found[part]:
        us = row["us"]
        assert 0 < us["least"] <= us["median"] <= us["most"]
        assert PRIMITIVES in row["against"]
        for other in row["against"].values():
            ratio, theirs = other["ratio"], other["us"]
            assert us["least"] / theirs["most"] <= ratio["least"] * 1.01 + 0.001
            assert ratio["most"] <= us["most"] / theirs["least"] * 1.01 + 0.001


@pytest.mark.parametrize("profile", PROFILES)
def test_a_parcel_is_really_sealed_opened_and_verified(profile: str) -> None:
    parcel = sealing._Parcel(world(), PROFILES[profile], 3)
    assert parcel.sealed.header.suite == PROFILES[profile].suite
    assert list(parcel.open().messages) == parcel.messages
    assert parcel.verify().profile == PROFILES[profile]
    assert len(parcel.sealed.blob) > 3 * MESSAGE_BYTES
    signed, tree_root = parcel.sign()
    assert tree_root == parcel.sealed.root and len(signed) == pytest.approx(
        len(parcel.sealed.manifest), abs=8
    )


def test_verifying_first_begins_with_no_certificate_known() -> None:
    with sealing.case(PROFILES["classical"], 1, "verify") as case:
        case.calls[OURS]()
        case.before()
        assert x509_path._FOUND
    with sealing.case(PROFILES["classical"], 1, sealing.FIRST) as case:
        case.before()
        assert not x509_path._FOUND
        case.calls[OURS]()
        assert x509_path._FOUND


def test_a_receipt_of_something_else_would_not_go_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with receipts.case(PROFILES["hybrid"], 2, "verify") as case:
        case.calls[OURS]()
        monkeypatch.setattr(receipts, "NOW", NOW.replace(year=2020))
        with pytest.raises(Refused):
            case.calls[OURS]()


@pytest.mark.parametrize("variant", handshakes.VARIANTS, ids=lambda variant: variant.name)
def test_a_handshake_negotiates_what_its_name_says(variant: handshakes.Variant) -> None:
    with handshakes.Pair.of(variant).open() as pair, asyncio.Runner() as runner:
        negotiated = runner.run(pair.shake())
    assert (negotiated.engine, negotiated.version) == ("openssl", "TLSv1.3")
    assert negotiated.group.lower() == variant.options.groups[0].lower()
    assert variant.name == f"{variant.options.groups[0]}, {variant.alg}"


def test_the_store_keeps_what_it_is_given_and_reads_it_back() -> None:
    with at_rest.keep(3) as case:
        for turn in range(2):
            case.before()
            assert case.calls[OURS]() == [1 + turn * 3, 2 + turn * 3, 3 + turn * 3]
            case.calls[at_rest.BARE_SQLITE]()
    with at_rest.read(3) as case:
        rows: Any = case.calls[OURS]()
        assert [len(row.body) for row in rows] == [MESSAGE_BYTES] * 3
    with at_rest.append(2) as case:
        head: Any = case.calls[OURS]()
        assert head.size == 2


def row(subject: str, messages: int, us: float, ratio: float, **others: float) -> Row:
    def spread(value: float) -> Spread:
        return Spread(value, value, value)

    against = {
        name: Against(spread(us / value), spread(value))
        for name, value in {PRIMITIVES: ratio, **others}.items()
    }
    return Row("part", subject, messages, "seal", spread(us), against)


def printed(rows: list[Row]) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table("title", rows))
    return capture.get()


def test_a_table_has_the_figure_and_its_ratio() -> None:
    text = printed([row("hybrid", 1, 2345.6, 1.25), row("hybrid", 10, 23.45, 1.5)])
    assert "2,346  ×1.25" in text and "23.4  ×1.50" in text
    assert text.count("hybrid") == 1 and "messages" in text


def test_what_else_it_is_compared_with_has_a_column() -> None:
    text = printed([row("a", 1, 8000.0, 4.0, bare=0.5), row("b", 1, 9000.0, 3.0)])
    assert "× bare" in text and "×0.50" in text and "messages" not in text


def test_figures_have_three_digits_that_mean_something() -> None:
    assert [number(us) for us in (12345.6, 100.0, 99.44, 9.876)] == ["12,346", "100", "99.4", "9.88"]


def test_json_has_every_spread() -> None:
    from_json = json.loads(as_json(machine(), QUICK, [row("hybrid", 1, 10.0, 2.0)]))
    assert from_json["rows"][0]["against"][PRIMITIVES] == {
        "us": {"median": 5.0, "least": 5.0, "most": 5.0},
        "ratio": {"median": 2.0, "least": 2.0, "most": 2.0},
    }


def test_a_part_that_there_is_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--quick", "--json", str(tmp_path / "no.json"), "sailing"])
    assert left.value.code == 2 and "sailing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
