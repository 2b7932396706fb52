"""The form of Internet ET: written in the order of the standard, read by name, and refused where it is not whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.internet_et.fields import ORDER
from intertie.formats.internet_et.form import (
    DATA,
    ELEMENT_BYTES_MAX,
    PARTS_MAX,
    Form,
    FormError,
    read_form,
    write_form,
)
from intertie.formats.internet_et.package import read_inside, read_package, write_inside, write_package

FIELDS = {"from": "123456789", "to": "006982359", "version": "1.6", "refnum": "1", "refnum-orig": "1"}
BOUNDARY = "--boundary1--200309090001"
MEDIA = f"multipart/form-data; boundary={BOUNDARY}"
TIBCO = (
    b'------=_Part_1\r\nContent-Disposition: form-data; name="from"\r\n\r\n123456789\r\n'
    b'------=_Part_1\r\nContent-Disposition: form-data; name="refnum"\r\n\r\n 7 \r\n'
    b'------=_Part_1\r\ncontent-disposition: form-data; name="input-data"; filename="c:\\temp\\x.bin"\r\n'
    b'content-type: multipart/encrypted; boundary=--b2; protocol="application/pgp-encrypted"\r\n\r\n'
    b"----b2\r\ncontent-type: application/pgp-encrypted\r\n\r\nVersion: 1.46\r\n"
    b"----b2\r\ncontent-type: application/octet-stream\r\n\r\nMESSAGE\r\n----b2--\r\n"
    b"------=_Part_1--\r\n"
)


def body(last: bool = False, data: bytes = b"DATA") -> bytes:
    return write_form(FIELDS, "x.pgp", "application/octet-stream", data, BOUNDARY, last=last)


def test_there_and_back() -> None:
    assert read_form(MEDIA, body()) == Form(FIELDS, "application/octet-stream", b"DATA")
    assert read_form(MEDIA.upper().replace(BOUNDARY.upper(), BOUNDARY), body()).fields == FIELDS


def test_the_order_is_the_standard_s_or_the_file_is_last() -> None:
    names = [name for name in ORDER if name in FIELDS or name == DATA]
    places = [body().index(f'name="{name}"'.encode()) for name in names]
    assert places == sorted(places)
    assert body(last=True).rindex(b"form-data") < body(last=True).index(f'"{DATA}"'.encode())
    assert read_form(MEDIA, body(last=True)) == read_form(MEDIA, body())


def test_what_a_program_in_the_field_sends() -> None:
    form = read_form('multipart/form-data; boundary="----=_Part_1"', TIBCO)
    assert form.fields == {"from": "123456789", "refnum": "7"}
    assert read_package(form.kind, form.data or b"") == b"MESSAGE"


@pytest.mark.parametrize("cut", [1, 5, 10, 40, 100, 200])
def test_what_is_cut_off_is_no_form(cut: int) -> None:
    whole = body().rstrip(b"\r\n")
    with pytest.raises(FormError):
        read_form(MEDIA, whole[:-cut])


@pytest.mark.parametrize(
    "kind", ["", "multipart/form-data", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"]
)
def test_another_content_type_is_none(kind: str) -> None:
    with pytest.raises(FormError):
        read_form(kind, body())


def test_an_element_twice_and_too_many_elements() -> None:
    twice = body().replace(b'"refnum-orig"', b'"refnum"')
    with pytest.raises(FormError, match="twice"):
        read_form(MEDIA, twice)
    part = b"--" + BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="n%d"\r\n\r\nx\r\n'
    many = b"".join(part.replace(b"%d", b"%d" % n) for n in range(PARTS_MAX + 2))
    with pytest.raises(FormError):
        read_form(MEDIA, many + b"--" + BOUNDARY.encode() + b"--\r\n")


def test_a_long_element_is_not_kept_and_others_are() -> None:
    long = write_form(FIELDS | {"version": "1" * (ELEMENT_BYTES_MAX + 1)}, "x", "a/b", b"DATA", BOUNDARY)
    assert "version" not in read_form(MEDIA, long).fields and read_form(MEDIA, long).fields["from"]


def test_an_empty_file_is_no_file() -> None:
    assert read_form(MEDIA, body(data=b"")).data is None


@given(st.binary(max_size=400))
def test_any_bytes_are_a_form_or_none(raw: bytes) -> None:
    for text in (raw, b"--" + BOUNDARY.encode() + b"\r\n" + raw, body() + raw):
        try:
            form = read_form(MEDIA, text)
        except FormError:
            continue
        assert len(form.fields) <= PARTS_MAX


@given(st.binary(max_size=200).filter(lambda raw: BOUNDARY.encode() not in raw))
def test_any_file_comes_as_it_went(data: bytes) -> None:
    assert read_form(MEDIA, body(data=data)).data == (data or None)


# The package in it, and what is inside


def test_a_package_is_found_in_its_second_part() -> None:
    kind, data = write_package(b"-----BEGIN PGP MESSAGE-----\n", "--b2")
    assert kind.startswith("multipart/encrypted;") and b"Version: 1" in data
    assert read_package(kind, data) == b"-----BEGIN PGP MESSAGE-----\n"


@pytest.mark.parametrize(
    "kind", ["", "application/octet-stream", "application/pgp", "multipart/encrypted", "x\x00"]
)
def test_what_is_no_multipart_is_the_message_itself(kind: str) -> None:
    assert read_package(kind, b"raw bytes") == b"raw bytes"


def test_a_multipart_without_a_message_has_none() -> None:
    only = b"----b2\r\ncontent-type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n----b2--\r\n"
    assert read_package("multipart/encrypted; boundary=--b2", only) == b""


@pytest.mark.parametrize(
    ("content", "kind", "file"),
    [
        (b"content-type: application/EDI-X12\r\n\r\nISA*", "application/edi-x12", b"ISA*"),
        (b"Content-Type: text/csv; charset=utf-8\n\na,b\n", "text/csv", b"a,b\n"),
        (b"\r\nContent-Transfer-Encoding: base64\r\nContent-Type: a/b\r\n\r\nSVNB\r\n", "a/b", b"ISA"),
        (b"ISA*00*", "", b"ISA*00*"),
        (b"", "", b""),
        (b"content-type: without an end", "", b"content-type: without an end"),
        (b"content-nonsense\r\n\r\nx", "", b"content-nonsense\r\n\r\nx"),
    ],
)
def test_a_header_inside_is_read_if_it_is_there(content: bytes, kind: str, file: bytes) -> None:
    assert read_inside(content) == (kind, file)


@given(st.binary(max_size=200))
def test_any_file_inside_comes_as_it_went(file: bytes) -> None:
    assert read_inside(write_inside(file, "application/edi-x12")) == ("application/edi-x12", file)
