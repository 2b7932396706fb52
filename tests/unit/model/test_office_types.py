"""The forms of the office API: requests are strict, answers bear what a newer gateway adds, and both survive JSON."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intertie.model import office
from intertie.model.record import Record

KINDS = [
    thing
    for name, thing in vars(office).items()
    if inspect.isclass(thing) and thing.__module__ == office.__name__ and name[0] != "_"
]
REQUESTS = [kind for kind in KINDS if issubclass(kind, Record)]
ANSWERS = [kind for kind in KINDS if issubclass(kind, msgspec.Struct) and not issubclass(kind, Record)]
LEAST: dict[str, dict[str, Any]] = {
    "SendMessage": {"to": "a.example", "document": "offer", "body": {}},
    "Resend": {},
    "Sign": {},
    "Notice": {"action": "suspend"},
    "AnswerDeal": {},
    "Withdraw": {"aggregation": "AGG"},
    "AnswerDispatch": {"answer": "accepted"},
    "ReportDispatch": {"report": "started", "at": "2026-01-15T12:00:00Z"},
    "CancelDispatch": {"reason": "other", "effective": "2026-01-15T12:00:00Z"},
    "Measured": {
        "power_kw": {
            "start": "2026-01-15T12:00:00Z",
            "step_seconds": 900,
            "unit": "kW",
            "power_of_ten": 0,
            "values": [1],
        }
    },
}


def test_all_of_them_are_looked_at() -> None:
    assert {kind.__name__ for kind in REQUESTS} == set(LEAST) and len(ANSWERS) > 20


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_a_request_is_strict(kind: type[Record]) -> None:
    least = LEAST[kind.__name__]
    read = msgspec.json.decode(msgspec.json.encode(least), type=kind)
    assert msgspec.json.decode(msgspec.json.encode(read), type=kind) == read
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({**least, "account": 1}, kind)
    for needed in least:
        with pytest.raises(msgspec.ValidationError, match="missing required"):
            msgspec.convert({name: value for name, value in least.items() if name != needed}, kind)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (office.SendMessage, {"to": "NOT A PARTY"}),
        (office.SendMessage, {"document": "../x"}),
        (office.SendMessage, {"body": []}),
        (office.SendMessage, {"verb": "shout"}),
        (office.SendMessage, {"expires": "2026-01-15T12:00:00"}),
        (office.SendMessage, {"in_reply_to": "1"}),
        (office.Resend, {"hours": 0}),
        (office.Resend, {"hours": 1e9}),
        (office.Sign, {"signatory": "x" * 201}),
        (office.Notice, {"action": "dance"}),
        (office.AnswerDispatch, {"answer": "maybe"}),
        (office.ReportDispatch, {"ders": -1}),
        (office.ReportDispatch, {"at": "yesterday"}),
        (office.Measured, {"ders_reporting": 10**9}),
        (office.CancelDispatch, {"replaced_by": "two words"}),
    ],
)
def test_a_wrong_value_is_refused(kind: type[Record], wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**LEAST[kind.__name__], **wrong}, kind)


TIMES = st.datetimes(timezones=st.just(UTC))
# What stands in a document, as JSON has it.
ANYTHING = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_answer_survives_json_and_a_newer_gateway(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    hints = get_type_hints(kind)
    given_ = {name: data.draw(_strategy(hints[name]), label=name) for name in kind.__struct_fields__}
    answer = kind(**given_)
    raw = msgspec.json.encode(answer)
    assert msgspec.json.decode(raw, type=kind) == answer
    newer = {**msgspec.json.decode(raw), "added_later": {"x": 1}}
    assert msgspec.json.decode(msgspec.json.encode(newer), type=kind) == answer


def _strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Structs are built from their fields; the rest hypothesis knows."""
    if inspect.isclass(hint) and issubclass(hint, msgspec.Struct):
        hints = get_type_hints(hint)
        return st.builds(hint, **{name: _strategy(hints[name]) for name in hint.__struct_fields__})
    inner = getattr(hint, "__args__", ())
    if getattr(hint, "__origin__", None) is list:
        return st.lists(_strategy(inner[0]), max_size=2)
    if getattr(hint, "__origin__", None) is dict:
        return st.dictionaries(st.text(max_size=4), _strategy(inner[1]), max_size=2)
    if type(None) in inner:
        return st.none() | _strategy(next(part for part in inner if part is not type(None)))
    if hint is Any:
        return ANYTHING
    return TIMES if hint is datetime else st.from_type(hint)


def test_names_on_the_wire_are_those_of_the_messages() -> None:
    """`from` and `to`, as in a header."""
    line = {"interface": "DA", "document": "offer", "category": "market", "mode": "scheduled"}
    said = {**line, "from": "a", "to": "b", "priority": 5, "agreement": True, "latency_seconds": 60}
    flow = msgspec.convert(said, office.FlowLine)
    assert (flow.sender, flow.recipient) == ("a", "b") and msgspec.to_builtins(flow) == said
    assert "from" in office.MessageLine.__struct_encode_fields__
