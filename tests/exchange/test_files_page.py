"""docs/files.md: its sections are a partner's, its documents and results are taken as it says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
from tests.exchange.file_world import Two, foreign_of
from tests.exchange.house import AGGREGATOR, UTILITY

from intertie.exchange.outbound import State
from intertie.formats.file_terms import JsonTerms
from intertie.formats.x12.trading import Trading
from intertie.gateway.translating.file_formats import FILE_FORMATS
from intertie.gateway.translating.file_json import Results
from intertie.gateway.translating.foreign import FORMATS, Level

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
ONE, ANSWER = re.findall(r"```json\n(.*?)```", PAGE, re.S)


def test_its_sections_are_those_of_a_partner_with_two_formats() -> None:
    (said,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    found = tomllib.loads(said)
    assert isinstance(msgspec.convert(found["x12"], Trading), Trading)
    assert msgspec.convert(found["json"], JsonTerms) == JsonTerms()
    assert set(found) == {"x12", "json"}
    order = ", ".join(name.upper() for name in FORMATS if name in FILE_FORMATS)
    assert f"in the order {order}" in PAGE


def test_its_document_is_taken_under_its_id() -> None:
    foreign = foreign_of(UTILITY, "json")
    [item] = FILE_FORMATS["json"].read(ONE.encode(), foreign, AGGREGATOR)
    assert item.error is None and item.said is not None
    said = json.loads(ONE)
    assert (item.said.id, item.said.agreement, item.said.conversation) == (
        said["id"],
        said["agreement"],
        said["conversation"],
    )


def test_its_results_close_a_message() -> None:
    found = msgspec.json.decode(ANSWER, type=Results)
    assert found.results[0].of == json.loads(ONE)["id"] and found.results[0].received is not None
    two = Two("json", received=Level.BUSINESS)
    message = two.say(UTILITY)
    two.post(UTILITY)
    two.take(UTILITY, ANSWER.replace(json.loads(ONE)["id"], message).encode())
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
