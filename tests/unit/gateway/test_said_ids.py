"""The ids of ours that files say, in each format where its writer puts them, and anywhere in an answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.x12.carried import reference_of_id
from intertie.gateway.translating.said_ids import ids_in, ids_of_file
from intertie.model.ids import new_uuid7

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ONE, OTHER = new_uuid7(NOW), new_uuid7(NOW)
CASES = {
    "json": f'{{"document":"x","id":"{ONE}","in_reply_to":"{OTHER}"}}',
    "a list": f'[{{"id": "{ONE}"}}]',
    "a table": f'document,mode,in_reply_to,message\r\nx,scheduled,{OTHER},{ONE}\r\n,,,"other"\r\n',
    "another separator": f"document;message\r\nx;{ONE}\r\n",
    "X12": f"ISA*00*          ~GS*IN~ST*810*0001~BIG*20260801*I-1~REF*ZZ*MESSAGE*{reference_of_id(ONE)}~",
    "X12 with its own": f"ISA*00*          ~ST*867*0001~BPT*00*{reference_of_id(ONE)}*20260801~",
    "a feed": f'<?xml version="1.0"?><feed xmlns="a"><id>urn:{OTHER}</id><title>{ONE}</title><entry/></feed>',
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_file_calls_its_messages(name: str) -> None:
    assert ids_of_file(CASES[name].encode()) == (ONE,)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"document,message\r\nx,mine-1\r\n", b"<feed/>", b"ISA*00*", b"\x00\xff", b'a,"b\r\n'],
)
def test_files_that_call_them_nothing_of_ours(content: bytes) -> None:
    assert ids_of_file(content) == ()


def test_an_answer_names_by_id_or_by_reference() -> None:
    assert ids_in(f"message,status\r\n{ONE},accepted\r\n{ONE},refused".encode()) == (ONE,)
    assert ids_in(f"OTI*TA*TN*{reference_of_id(OTHER)}*****1*0001*867~".encode()) == (OTHER,)
    assert ids_in(f"outage_notice-{ONE}.csv fetched by them".encode()) == (ONE,)
    assert ids_in(b"accepted") == ()


@given(st.binary(max_size=300))
def test_anything_is_read_and_nothing_raises(content: bytes) -> None:
    assert isinstance(ids_of_file(content), tuple) and isinstance(ids_in(content), tuple)
