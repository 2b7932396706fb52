"""The loader takes a consistent file and refuses every other, naming file, table and key."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.flow import Category, Channel, Direction, Interface, Level
from intertie.catalogue.load import (
    FILE_CHARACTERS_MAX,
    load_catalogue,
    read_catalogue,
    read_interface,
)
from intertie.model.errors import SettingsError
from intertie.model.message import Mode
from intertie.model.party import Role

HEAD = """
code = "XY7"
title = "Two and two"
source = "000 Description"
description = "Text."
actors = [["meter"], ["gateway_esi", "submeter_eumd"]]
media = []
requirements = ["Integrity (000 Goals)"]
constraints = []
threats = []
doubts = []
"""
NEEDS = """
[needs.metering]
category = "metering"
priority = 6
confidentiality = "high"
integrity = "moderate"
non_repudiation = true
latency = "15 min"
protect_for = "7 years"
agreement = false
direction = "two_way"
relay = true
"""
FLOWS = """
[[flows]]
document = "meter_readings"
from = "meter"
to = "gateway_esi"
mode = "scheduled"
needs = "metering"
source = "000 Description, sentence 1"

[[flows]]
document = "meter_request"
from = "submeter_eumd"
to = "meter"
mode = "real_time"
needs = "metering"
latency = "4 s"
priority = 2
source = "000 Description, sentence 2"
"""
GOOD = HEAD + NEEDS + FLOWS
NAME = "xy07.toml"


def change(old: str, new: str) -> str:
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


def refusal(text: str, name: str = NAME) -> str:
    with pytest.raises(SettingsError) as caught:
        read_interface(name, text)
    assert caught.value.do
    assert caught.value.why.startswith(f"catalogue file {name}, ")
    return caught.value.why.removeprefix(f"catalogue file {name}, ")


def test_a_good_file() -> None:
    interface = read_interface(NAME, GOOD)
    assert isinstance(interface, Interface)
    assert interface.code == "XY7"
    assert interface.roles == {Role.METER, Role.GATEWAY_ESI, Role.SUBMETER_EUMD}
    assert interface.same_as is None
    first, second = interface.flows
    assert first.key == "XY7.meter_readings.meter>gateway_esi.scheduled"
    assert (first.category, first.sender, first.recipient, first.mode) == (
        Category.METERING,
        Role.METER,
        Role.GATEWAY_ESI,
        Mode.SCHEDULED,
    )
    assert (first.confidentiality, first.integrity, first.non_repudiation) == (
        Level.HIGH,
        Level.MODERATE,
        True,
    )
    assert (first.latency_seconds, first.protect_for_days) == (900, 7 * 366)
    assert (first.agreement, first.direction, first.relay) == (False, Direction.TWO_WAY, True)
    assert first.source == "000 Description, sentence 1"
    assert (second.latency_seconds, second.priority) == (4, 2), "what a flow says itself goes first"
    assert second.protect_for_days == first.protect_for_days


def test_a_flow_can_say_everything_itself() -> None:
    own = NEEDS.replace("[needs.metering]\n", "")
    text = HEAD + FLOWS.replace('needs = "metering"\n', "", 1).replace("[[flows]]\n", f"[[flows]]{own}", 1)
    text = text.replace('needs = "metering"\nlatency = "4 s"\npriority = 2\n', own.replace("15 min", "4 s"))
    assert read_interface(NAME, text).flows[0] == read_interface(NAME, GOOD).flows[0]


@pytest.mark.parametrize(
    ("old", "new", "place", "why"),
    [
        ('code = "XY7"', 'code = "XY8"', "code", "does not belong"),
        ('code = "XY7"\n', "", "code", "None does not belong"),
        ('code = "XY7"', "code = 7", "code", "7 does not belong"),
        ('title = "Two and two"\n', "", "file", "title"),
        ('title = "Two and two"', 'title = ""', "title", "length"),
        ('source = "000 Description"\n', "", "file", "source"),
        ('source = "000 Description"', 'source = ""', "source", ""),
        ("media = []", "medium = []", "file", "medium"),
        ("media = []", 'media = ["TLS (000 Goals)\\n"]', "media[0]", "matching regex"),
        ("media = []", 'media = ["TLS"]', "media[0]", "matching regex"),
        ('"Integrity (000 Goals)"', "", "requirements", "length"),
        ('"Integrity (000 Goals)"', '"Integrity"', "requirements[0]", "matching regex"),
        ('[["meter"]', '[["clock"]', "actors[0][0]", "clock"),
        ('[["meter"]', "[[]", "actors[0]", "length"),
        ('[["meter"]', '[["meter", "gateway_esi"]', "actors", "both sides"),
        ('[["meter"]', '[["meter", "agency"]', "actors", "agency has no flow"),
        (NEEDS, "needs = 3\n", "needs", "tables"),
        (NEEDS, "[needs]\nmetering = 3\n", "needs.metering", "table"),
        ('category = "metering"', 'categories = "metering"', "needs.metering.categories", "not a key"),
        ('category = "metering"', 'mode = "scheduled"', "needs.metering.mode", "not a key"),
        ('category = "metering"\n', "", "flows[0].category", "missing"),
        ('category = "metering"', 'category = "gossip"', "flows[0].category", "gossip"),
        ("[needs.metering]", "[needs.idle]\npriority = 1\n[needs.metering]", "needs.idle", "no flow refers"),
        ("priority = 6", "priority = 10", "flows[0].priority", "<= 9"),
        ("priority = 6", 'priority = "6"', "flows[0].priority", "Expected `int`"),
        ("priority = 6", "priority = 6.0", "flows[0].priority", "Expected `int`"),
        ("priority = 6", "priority = true", "flows[0].priority", "Expected `int`"),
        ('confidentiality = "high"', 'confidentiality = "severe"', "flows[0].confidentiality", "severe"),
        ("non_repudiation = true", "non_repudiation = 1", "flows[0].non_repudiation", "Expected `bool`"),
        ("non_repudiation = true", 'non_repudiation = "true"', "flows[0].non_repudiation", "Expected `bool`"),
        ('latency = "15 min"', 'latency = "15 minutes"', "flows[0].latency", "no duration"),
        ('latency = "15 min"', 'latency = "15min"', "flows[0].latency", "no duration"),
        ('latency = "15 min"', 'latency = "0 s"', "flows[0].latency", "no duration"),
        ('latency = "15 min"', 'latency = "-1 s"', "flows[0].latency", "no duration"),
        ('latency = "15 min"', 'latency = "1 year"', "flows[0].latency", "no duration"),
        ('latency = "15 min"', "latency = 900", "flows[0].latency", "no duration"),
        ('latency = "15 min"', 'latency = "90 days"', "flows[0].latency", "<="),
        ('latency = "15 min"', "latency_seconds = 900", "needs.metering.latency_seconds", "not a key"),
        ('protect_for = "7 years"', 'protect_for = "7 s"', "flows[0].protect_for", "no duration"),
        ('protect_for = "7 years"', 'protect_for = "forever"', "flows[0].protect_for", "no duration"),
        ('protect_for = "7 years"', 'protect_for = "101 years"', "flows[0].protect_for", "<="),
        ('direction = "two_way"', 'direction = "sideways"', "flows[0].direction", "sideways"),
        ("relay = true", 'relay = true\nchannel = "tunnel"', "flows[0].channel", "tunnel"),
        (FLOWS, "", "needs.metering", "no flow refers"),
        (NEEDS + FLOWS, "flows = []\n", "flows", "length"),
        (NEEDS + FLOWS, "flows = 4\n", "flows", "array of tables"),
        (NEEDS + FLOWS, "flows = [4]\n", "flows[0]", "table"),
        ('document = "meter_readings"', 'document = "Meter Readings"', "flows[0].document", "matching regex"),
        ('document = "meter_readings"\n', "", "flows[0].document", "missing"),
        ('from = "meter"', 'from = "clock"', "flows[0].from", "clock"),
        ('from = "meter"', 'from = "iso_rto"', "flows[0]", "does not go between"),
        ('to = "gateway_esi"', 'to = "meter"', "flows[0]", "does not go between"),
        ('to = "meter"', 'to = "gateway_esi"', "flows[1]", "does not go between"),
        ('mode = "scheduled"', 'mode = "sometimes"', "flows[0].mode", "sometimes"),
        ('needs = "metering"', 'needs = "missing"', "flows[0].needs", "[needs.missing]"),
        ('needs = "metering"', 'needs = ["metering"]', "flows[0].needs", "no table"),
        ('source = "000 Description, sentence 1"\n', "", "flows[0].source", "missing"),
        ('source = "000 Description, sentence 1"', 'source = ""', "flows[0].source", ""),
        (
            'source = "000 Description, sentence 1"',
            'source = "x"\ncolour = "red"',
            "flows[0].colour",
            "not a key",
        ),
        (
            'source = "000 Description, sentence 1"',
            'source = "x"\ninterface = "DA"',
            "flows[0].interface",
            "not a key",
        ),
    ],
)
def test_refused_with_its_place(old: str, new: str, place: str, why: str) -> None:
    said = refusal(change(old, new))
    found, _, reason = said.partition(": ")
    assert found == place, said
    assert why in reason, said


def test_the_same_flow_twice_is_refused() -> None:
    again = GOOD + FLOWS.split("\n\n")[0]
    assert refusal(again) == "flows[2]: XY7.meter_readings.meter>gateway_esi.scheduled is there already"


def test_a_flow_can_ask_for_a_hybrid_connection() -> None:
    assert {flow.channel for flow in read_interface(NAME, GOOD).flows} == {Channel.ANY}
    first, second = read_interface(NAME, change("relay = true", 'relay = true\nchannel = "hybrid"')).flows
    assert first.channel is second.channel is Channel.HYBRID
    assert first.demands_at_least(read_interface(NAME, GOOD).flows[0])
    assert not read_interface(NAME, GOOD).flows[0].demands_at_least(first)


def test_flows_that_differ_both_ways_are_refused() -> None:
    """A party with both roles would else choose between more secrecy and more integrity."""
    rival = """
[[flows]]
document = "meter_readings"
from = "meter"
to = "submeter_eumd"
mode = "scheduled"
needs = "metering"
confidentiality = "low"
integrity = "{}"
source = "000 Description"
"""
    assert "differ both ways" in refusal(GOOD + rival.format("high"))
    assert len(read_interface(NAME, GOOD + rival.format("low")).flows) == 3


@pytest.mark.parametrize(
    "text", ["code = ", "[" * 5000, "x = 1\nx = 2", f"x = {'9' * 5000}", "\0", "a = [" * 3000]
)
def test_what_is_not_toml_is_refused(text: str) -> None:
    assert refusal(text).startswith("file: not TOML")


def test_a_huge_file_is_refused_before_it_is_parsed() -> None:
    assert refusal("#" * (FILE_CHARACTERS_MAX + 1)).startswith("file: longer than")


@pytest.mark.parametrize(
    "name", ["xy7.toml", "XY07.toml", "xy07.json", "xy007.toml", "07.toml", "../xy07.toml", ""]
)
def test_a_file_name_is_a_code(name: str) -> None:
    assert refusal(GOOD, name).startswith("file: a catalogue file is named by its code")


@given(st.text(max_size=300))
def test_no_text_gets_another_error(text: str) -> None:
    with pytest.raises(SettingsError):
        read_interface(NAME, text)


KEYS = sorted(
    {key for table in (tomllib.loads(HEAD), tomllib.loads(NEEDS)["needs"]["metering"]) for key in table}
)


@given(
    st.sampled_from(KEYS),
    st.sampled_from(["1", "-1", "1.5", '""', "[]", "{}", "true", "1979-05-27", "[[]]", "{ a = 1 }", '["a"]']),
)
def test_no_value_gets_another_error(key: str, value: str) -> None:
    text = re.sub(rf"^{key} = .*$", f"{key} = {value}", GOOD, count=1, flags=re.M)
    try:
        interface = read_interface(NAME, text)
    except SettingsError:
        return
    assert isinstance(interface, Interface)


def duplicate(of: str, edit: tuple[str, str] = ("", "")) -> dict[str, str]:
    text = GOOD.replace("XY7", "XY8").replace("media = []", f'media = []\nsame_as = "{of}"')
    return {NAME: GOOD, "xy08.toml": text.replace(*edit, 1)}


def test_a_duplicate_says_the_same() -> None:
    catalogue = read_catalogue(duplicate("XY7"))
    assert [i.same_as for i in catalogue.interfaces.values()] == [None, "XY7"]


@pytest.mark.parametrize(
    ("of", "edit", "why"),
    [
        ("XY9", ("", ""), "xy08.toml, same_as: XY9 is no other interface"),
        ("XY8", ("", ""), "xy08.toml, same_as: XY8 is no other interface"),
        ("XY7", ("priority = 6", "priority = 5"), r"xy08.toml, flows\[0\]: .* is not as XY7 has it"),
        ("XY7", ('"4 s"', '"5 s"'), r"xy08.toml, flows\[1\]: .* is not as XY7 has it"),
    ],
)
def test_a_duplicate_that_is_none_is_refused(of: str, edit: tuple[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        read_catalogue(duplicate(of, edit))


def test_the_catalogue_is_read_once() -> None:
    assert load_catalogue() is load_catalogue()


def test_every_toml_file_is_in_it() -> None:
    names = [entry.name for entry in files("intertie.catalogue").iterdir() if entry.name.endswith(".toml")]
    assert len(names) == len(load_catalogue().interfaces) == 18
