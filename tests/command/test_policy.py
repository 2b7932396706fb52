"""`intertie policy`: what an auditor asks, as tables for a person and JSON for a program."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.command.gateways import AGGREGATOR, Said, here, make_pair

from intertie.catalogue.load import load_catalogue

ON = ("--on", "2026-11-22")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("policy"))


def policy(capsys: Any, *arguments: str | Path) -> Said:
    return here(capsys, "policy", *arguments)


def explain(capsys: Any, interface: str, document: str, *more: str | Path) -> Any:
    said = policy(capsys, "explain", "--interface", interface, "--document", document, *more, "--json")
    return said.json


def test_an_invoice_is_hybrid_and_the_answer_says_why(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = explain(capsys, "DA", "invoice", *ON)
    assert answer["today"] == "2026-11-22" and len(answer["flows"]) == 2
    for flow in answer["flows"]:
        assert flow["profile"] == "hybrid"
        assert flow["suite"] == "MLKEM768-X25519/HKDF-SHA256/AES-256-GCM"
        assert {"ES256", "ML-DSA-65", "MLKEM768-X25519"} <= {part["name"] for part in flow["algorithms"]}
        assert flow["protect_until_year"] == 2033 and flow["protect_until"] == "2033-11-27"
        assert all(step["source"] and step["certainty"] and step["text"] for step in flow["steps"])
        families = {part["name"]: part["family"] for part in flow["algorithms"]}
        assert families["AES-256-GCM"] == "symmetric" and families["ML-DSA-65"] == "asymmetric"
        assert "partner" not in flow


def test_a_real_time_flow_of_one_day_may_be_classical(capsys: Any, tmp_path: Path) -> None:
    one_day = next(flow for flow in load_catalogue().flows() if flow.protect_for_days == 1)
    assert one_day.mode == "real_time"
    answer = explain(
        capsys, one_day.interface, one_day.document, "--mode", "real_time", *ON, "--dir", tmp_path
    )
    flow = next(found for found in answer["flows"] if found["flow"]["key"] == one_day.key)
    assert flow["profile"] == "classical"
    steps = {step["about"]: step["text"] for step in flow["steps"]}
    assert "2026-11-23 is not after the harvest horizon 2030-12-31" in steps["harvest"]
    assert "a gateway sends hybrid all the same" in steps["what is sent"]


def test_the_same_flow_after_the_horizon_is_hybrid(capsys: Any, tmp_path: Path) -> None:
    answer = explain(
        capsys,
        "DA",
        "availability_declaration",
        "--mode",
        "real_time",
        "--on",
        "2031-01-01",
        "--dir",
        tmp_path,
    )
    assert [flow["profile"] for flow in answer["flows"]] == ["hybrid"]


def test_a_person_reads_a_table(capsys: Any, tmp_path: Path) -> None:
    said = policy(capsys, "explain", "--interface", "da", "--document", "invoice", *ON, "--dir", tmp_path)
    assert said.code == 0 and said.err == ""
    words = " ".join(said.out.split())
    for part in ("step what follows source certainty", "quantum: symmetric", "key lifetime: signature"):
        assert part in words
    assert words.endswith("SHA-256. Protection must reach 2033 (2033-11-27).")
    assert said.out.count("what follows") == 1, "both directions need the same, so it is explained once"


def test_with_a_partner(capsys: Any, pair: tuple[Path, Path]) -> None:
    utility, _ = pair
    flows = explain(capsys, "DA", "invoice", "--partner", AGGREGATOR, "--dir", utility)["flows"]
    assert {flow["partner"]["we_send"] for flow in flows} == {True, False}
    for flow in flows:
        assert flow["partner"]["theirs"] == ["classical", "hybrid", "hybrid-high"]
        assert flow["partner"]["used"] == "hybrid"
    said = policy(
        capsys, "explain", "--interface", "DA", "--document", "outage_notice", "--mode", "real_time",
        "--partner", AGGREGATOR, "--dir", utility,
    )  # fmt: skip
    assert "The partner's can do classical, hybrid, hybrid-high." in said.out
    assert "So: we send hybrid: more than the flow needs, as the default is hybrid." in said.out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--interface", "XX", "--document", "invoice"), "there is no interface 'XX'. The codes are DA, ET1"),
        (
            ("--interface", "ET1", "--document", "invoice"),
            "interface ET1 does not carry 'invoice'. It carries",
        ),
        (("--interface", "DA", "--document", "invoice", "--mode", "real_time"), "Its modes: scheduled"),
        (("--interface", "DA", "--document", "invoice", "--on", "soon"), "'soon' is no date"),
        (
            ("--interface", "DA", "--document", "invoice", "--partner", "x.example"),
            "is not a gateway directory",
        ),
    ],
)
def test_what_cannot_be_explained(capsys: Any, tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    said = policy(capsys, "explain", *arguments, "--dir", tmp_path)
    assert said.code == 1 and why in said.err and said.out == ""


def test_a_partner_with_whom_it_does_not_run(capsys: Any, pair: tuple[Path, Path]) -> None:
    arguments = ("--interface", "ET5", "--document", "meter_readings", "--partner", AGGREGATOR)
    known = {flow.document for flow in load_catalogue().interfaces["ET5"].flows}  # type: ignore[index]
    arguments = ("--interface", "ET5", "--document", min(known), "--partner", AGGREGATOR)
    said = policy(capsys, "explain", *arguments, "--dir", pair[0])
    assert said.code == 1 and "none of these flows runs between us and aggregator.example" in said.err


def test_settings_of_the_gateway_count(capsys: Any, pair: tuple[Path, Path]) -> None:
    path = pair[1] / "intertie.toml"
    text = path.read_text()
    path.write_text(re.sub(r"^# high_years = 20", "high_years = 7", text, flags=re.M))
    try:
        (flow,) = explain(
            capsys, "DA", "meter_readings", "--partner", "utility.example", *ON, "--dir", pair[1]
        )["flows"][:1]
    finally:
        path.write_text(text)
    assert flow["profile"] == "hybrid-high"
    category = next(step for step in flow["steps"] if step["about"] == "category")
    assert category["source"].startswith("intertie.toml [policy] high_years; the default is 20")


def test_check_finds_nothing_in_a_new_gateway(capsys: Any, pair: tuple[Path, Path]) -> None:
    said = policy(capsys, "check", "--dir", pair[0])
    assert (said.code, said.err) == (0, "")
    assert said.out == "Nothing falls short of the policy now or within 90 days.\n"
    assert policy(capsys, "check", "--json", "--dir", pair[0]).json == {"within_days": 90, "findings": []}


def test_check_looks_ahead(capsys: Any, pair: tuple[Path, Path]) -> None:
    answer = policy(capsys, "check", "--within", "800d", "--json", "--dir", pair[0]).json
    kinds = {one["kind"] for one in answer["findings"]}
    assert kinds == {"certificate", "descriptor", "key"} and answer["within_days"] == 800
    assert {one["when"] for one in answer["findings"]} == {"soon"}
    said = policy(capsys, "check", "--within", "800", "--dir", pair[0])
    assert said.code == 0 and "our ML-DSA-65 certificate" in said.out
    assert policy(capsys, "check", "--within", "long", "--dir", pair[0]).code == 2


def test_check_fails_when_something_falls_short_now(capsys: Any, pair: tuple[Path, Path]) -> None:
    clock = pair[0] / "now.txt"
    path = pair[0] / "intertie.toml"
    text = path.read_text()
    clock.write_text(f"{datetime.now(UTC).year + 3}-01-01T00:00:00Z")
    path.write_text(text.replace('# file = "now.txt"', 'file = "now.txt"'))
    try:
        said = policy(capsys, "check", "--dir", pair[0])
        answer = policy(capsys, "check", "--json", "--dir", pair[0])
    finally:
        path.write_text(text)
    assert said.code == 1 and "our TLS certificate" in said.out
    assert answer.code == 1
    assert {"now"} == {one["when"] for one in json.loads(answer.out)["findings"]}


def test_inventory(capsys: Any, pair: tuple[Path, Path], tmp_path: Path) -> None:
    said = policy(capsys, "inventory", "--dir", pair[0])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(said.out) is None
    names = {one["name"] for one in json.loads(said.out)["components"]}
    assert {"ML-DSA-65", "X25519MLKEM768", "ML-DSA-65 key of utility.example"} <= names
    assert "MLKEM768-X25519 key of aggregator.example" in names
    assert "AES-256-GCM key of utility.example, wrapping" in names
    file = tmp_path / "cbom.json"
    assert policy(capsys, "inventory", "-o", file, "--dir", pair[0]).out.startswith(f"Wrote {file}: ")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text()) is None
    again = policy(capsys, "inventory", "-o", file, "--dir", pair[0])
    assert again.code == 1 and "is there already" in again.err


def test_keys_without_a_certificate_have_a_period_too(capsys: Any, tmp_path: Path) -> None:
    """The store's key and the token key: they count from when they were put into the vault."""
    gateway = tmp_path / "g"
    assert (
        here(capsys, "init", "utility.example", "--role", "distribution_utility", "--dir", gateway).code == 0
    )
    assert "our store key" not in policy(capsys, "check", "--dir", gateway).out
    then = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    os.utime(gateway / "keys" / "store-0001.kek", (then, then))
    said = policy(capsys, "check", "--json", "--dir", gateway)
    assert said.code == 1
    (found,) = [one for one in json.loads(said.out)["findings"] if one["subject"] == "our store key"]
    assert found["when"] == "now" and "in use since 2020-01-01, 730 days at most" in found["why"]
    assert here(capsys, "store", "rewrap", "--dir", gateway).code == 0
    assert "our store key" not in policy(capsys, "check", "--dir", gateway).out
