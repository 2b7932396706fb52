"""UFTP's XML: what is written is read back and valid by the schema; what is hostile or wrong is refused with its place."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.formats.uftp_cases import ANSWER, MESSAGES, META, UUIDS, WRAPPER, invalid

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.codec import ELEMENTS_MAX, XML_BYTES_MAX, NotUftpError
from intertie.formats.uftp.forms import Disposition, Role

EACH = pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)


@EACH
def test_each_message_is_read_back_as_it_was_written(message: m.Payload) -> None:
    assert m.read_payload(m.write(message)) == message


@EACH
def test_each_message_is_valid_by_the_schema_of_the_specification(message: m.Payload) -> None:
    assert invalid(m.write(message)) == ""


def test_the_wrapper() -> None:
    raw = m.write(WRAPPER)
    assert m.read_signed(raw) == WRAPPER and invalid(raw) == ""


def test_every_type_has_a_case() -> None:
    assert {type(one) for one in MESSAGES} == set(m.PAYLOADS.values())


@EACH
def test_a_message_without_one_of_its_attributes_is_refused_with_the_place(message: m.Payload) -> None:
    raw = m.write(message).decode()
    without = raw.replace(f' ConversationID="{message.conversation_id}"', "")
    with pytest.raises(NotUftpError, match="@ConversationID"):
        m.read_payload(without.encode())


powers = st.integers(-(10**12), 10**12)
isps = st.lists(
    st.builds(m.Isp, power=powers, start=st.integers(1, 100), duration=st.integers(1, 100)),
    min_size=1,
    max_size=8,
).map(tuple)
amounts = st.decimals(-(10**11), 10**11, places=4)
texts = st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)), max_size=40).map(str.strip)


ORDER = next(one for one in MESSAGES if isinstance(one, m.FlexOrder))


@given(
    st.builds(
        replace,
        st.just(ORDER),
        price=amounts,
        order_reference=texts,
        activation_factor=st.decimals(Decimal("0.01"), 1, places=2),
        isp_duration=st.sampled_from([timedelta(minutes=n) for n in (5, 15, 30, 60)]),
        period=st.dates(date(1990, 1, 1), date(2090, 1, 1)),
        isps=isps,
    )
)
def test_any_order_is_read_back(order: m.FlexOrder) -> None:
    assert m.read_payload(m.write(order)) == order


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    for read in (m.read_payload, m.read_signed):
        with pytest.raises(NotUftpError):
            read(raw)


@given(st.sampled_from(MESSAGES), st.data())
def test_a_message_with_bytes_changed_is_a_message_or_refused(
    message: m.Payload, data: st.DataObject
) -> None:
    raw = bytearray(m.write(message))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        m.read_payload(bytes(raw))
    except NotUftpError as error:
        assert error.path.startswith("/")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><TestMessage Version="&e;"/>',
    "laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><TestMessage Version="&l9;"/>',
    "remote": '<!DOCTYPE TestMessage SYSTEM "http://127.0.0.1:1/x.dtd"><TestMessage/>',
    "parameter": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p">%p;]><TestMessage/>',
    "deep": "<FlexSettlement>" + "<a>" * 300 + "</a>" * 300 + "</FlexSettlement>",
    "many": "<FlexRequest>" + "<ISP/>" * (ELEMENTS_MAX + 1) + "</FlexRequest>",
    "space": "<TestMessage>" + " " * (XML_BYTES_MAX + 1) + "</TestMessage>",
    "namespace": '<TestMessage xmlns="urn:other"/>',
    "text": m.write(next(one for one in MESSAGES if isinstance(one, m.TestMessage)))
    .decode()
    .split("?>")[1]
    .replace("/>", ">text</TestMessage>"),
    "long": f'<TestMessage Version="{"3" * 3000}"/>',
    "nothing": "",
    "other": "<AGRPortfolioQuery/>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused_at_once(name: str) -> None:
    with pytest.raises(NotUftpError):
        m.read_payload(HOSTILE[name].encode())


WRONG = {
    "MessageID": ("1", "not a UUID"),
    "TimeStamp": ("2026-01-15T12:00:00", "offset"),
    "SenderDomain": ("DSO", "domain"),
    "ISP-Duration": ("PT15S", "minutes"),
    "TimeZone": ("Mars/Olympus", "zone"),
    "Period": ("16-01-2026", "date"),
    "CongestionPoint": ("F12", "address"),
    "Price": ("1.23456", "decimal places"),
    "ActivationFactor": ("1.01", "between"),
    "Currency": ("usd", "currency"),
    "Unsolicited": ("yes", "true"),
}


@pytest.mark.parametrize("attribute", WRONG)
def test_a_value_of_another_form_is_refused_with_its_place(attribute: str) -> None:
    value, why = WRONG[attribute]
    raw = m.write(ORDER).decode()
    before, _, rest = raw.partition(f' {attribute}="')
    wrong = f'{before} {attribute}="{value}"{rest.partition(chr(34))[2]}'
    with pytest.raises(NotUftpError, match=f"/FlexOrder/@{attribute}: .*{why}"):
        m.read_payload(wrong.encode())


def test_the_place_names_the_element_among_many() -> None:
    raw = m.write(ORDER).decode().replace('Start="69"', 'Start="0"')
    with pytest.raises(NotUftpError, match=r"/FlexOrder/ISP\[1\]/@Start: not between"):
        m.read_payload(raw.encode())


def test_an_answer_of_the_older_form_is_read() -> None:
    """Libraries up to 3.1 name the message in an attribute of each response."""
    older = replace(m.FlexRequestResponse(**META, reference=UUIDS[2]), reference=None, named=UUIDS[2])
    read = m.read_payload(m.write(older))
    assert isinstance(read, m.FlexRequestResponse) and read.answers == UUIDS[2]


def test_what_a_request_says_of_room_and_need_is_told_apart() -> None:
    request = m.read_payload(m.write(MESSAGES[0]))
    assert isinstance(request, m.FlexRequest)
    assert [one.disposition for one in request.isps] == [Disposition.REQUESTED, Disposition.AVAILABLE]


def test_a_wrapper_holds_a_message_of_any_length_that_is_taken_and_a_reason_is_short() -> None:
    long = m.SignedMessage(sender_domain="dso.example", sender_role=Role.DSO, body=b"x" * 2_000_000)
    assert m.read_signed(m.write(long)).body == long.body
    said = m.FlexRequestResponse(**{**ANSWER, "rejection_reason": "x" * 2001})
    with pytest.raises(NotUftpError, match="longer than 2000"):
        m.read_payload(m.write(said))
