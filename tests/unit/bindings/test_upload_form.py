"""Files of a request: forms as programs make them, bodies that are one file, and everything that is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.bindings.upload.form import BadForm, Uploaded, files_of, form_of
from intertie.formats.upload_terms import UploadTerms, hash_secret, is_secret_of, new_secret

KIND = "multipart/form-data; boundary=bound"


def part(content: bytes, name: str = "file", filename: str | None = "a.csv", more: str = "") -> bytes:
    said = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return f"--bound\r\ncontent-disposition: {said}\r\n{more}\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--bound--\r\n"


def test_a_form_with_files_and_other_fields() -> None:
    body = form(
        part(b"one"),
        part(b"hello", "note", None),
        part(b"two\r\n", filename="b.csv", more="content-type: text/csv\r\n"),
    )
    assert files_of(KIND, "", body, 5) == [Uploaded("a.csv", b"one"), Uploaded("b.csv", b"two\r\n")]


def test_a_body_that_is_a_file() -> None:
    assert files_of("text/csv", "x.csv", b"content", 1) == [Uploaded("x.csv", b"content")]
    assert files_of("", "", b"content", 1) == [Uploaded("file", b"content")]


@given(st.binary(max_size=300))
def test_what_is_in_a_file_comes_out_as_it_was(content: bytes) -> None:
    if content and b"--bound" not in content:
        assert files_of(KIND, "", form(part(content)), 1) == [Uploaded("a.csv", content)]


@pytest.mark.parametrize(
    ("kind", "body", "word"),
    [
        ("text/csv", b"", "empty"),
        ("multipart/form-data", b"x", "boundary"),
        (KIND, b"", "form"),
        (KIND, b"nothing of it", "form"),
        (KIND, part(b"never ends"), "form"),
        (KIND, form(part(b"x", filename=None)), "without a file"),
        (KIND, form(part(b"")), "without a file"),
        (KIND, form(*[part(b"x")] * 3), "more than 2"),
        (KIND, form(*[part(b"x")] * 40), "form"),
        (KIND, form(part(b"x", more="a: b\r\n" * 30)), "form"),
        (KIND, form(part(b"x", filename="a" * 9000)), "form"),
        (KIND, b"--bound\r\n\r\nno name\r\n--bound--\r\n", "form"),
    ],
)
def test_what_is_neither_is_said(kind: str, body: bytes, word: str) -> None:
    with pytest.raises(BadForm, match=word) as caught:
        files_of(kind, "", body, 2)
    assert caught.value.do


@given(st.binary(max_size=400))
def test_no_body_is_a_mistake_of_ours(body: bytes) -> None:
    try:
        found = files_of(KIND, "", body, 3)
    except BadForm:
        return
    assert found


def test_secrets_are_compared_by_their_hash() -> None:
    one, other = new_secret(), new_secret()
    terms = UploadTerms(user="them", secrets=(hash_secret(one), hash_secret(other)))
    assert one != other and len(one) >= 43
    assert is_secret_of(terms, one) and is_secret_of(terms, other)
    for wrong in ("", hash_secret(one), one[:-1], one + "x", "\udcff"):
        assert not is_secret_of(terms, wrong)


# Forms with fields, as pages have them


def field(name: str, value: str) -> bytes:
    return f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


FILE = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\nmeter,value\r\n'
END = b"--x--\r\n"
FORM = "multipart/form-data; boundary=x"


def test_fields_and_a_file_of_a_page() -> None:
    fields, files = form_of(FORM, field("csrf", "abc") + FILE + field("offset", "7") + END, 1)
    assert fields == [("csrf", "abc"), ("offset", "7")] and files == [Uploaded("a.csv", b"meter,value")]


def test_a_form_may_have_no_file_and_no_field() -> None:
    assert form_of(FORM, field("csrf", "ä & ö") + END, 1) == ([("csrf", "ä & ö")], [])
    assert form_of(FORM, FILE + END, 1) == ([], [Uploaded("a.csv", b"meter,value")])
    empty = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n\r\n'
    assert form_of(FORM, empty + END, 1) == ([], []), "a browser sends an empty file where none was chosen"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("", b""),
        ("text/plain", FILE + END),
        ("application/x-www-form-urlencoded", b"csrf=abc"),
        ("multipart/form-data", FILE + END),
        ("multipart/form-data; boundary=", FILE + END),
        (FORM, b""),
        (FORM, FILE),
        (FORM, FILE[:-30]),
        (FORM, FILE + FILE + END),
        (FORM, field("csrf", "abc").replace(b"form-data", b"attachment") + END),
        (FORM, b"--x\r\n" + b"a: b\r\n" * 50 + b"\r\nx\r\n" + END),
    ],
)
def test_what_is_no_form_of_a_page_is_refused_in_words(kind: str, body: bytes) -> None:
    with pytest.raises(BadForm) as caught:
        form_of(kind, body, 1)
    assert caught.value.do and "meter" not in caught.value.why


@given(st.binary(max_size=400), st.sampled_from([b"", FILE, field("csrf", "abc"), END]))
def test_no_bytes_break_it(noise: bytes, beside: bytes) -> None:
    for body in (noise, beside + noise, noise + beside + END):
        try:
            fields, files = form_of(FORM, body, 1)
        except BadForm:
            continue
        assert len(files) <= 1 and all(isinstance(value, str) for _, value in fields)


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n\x00"), max_size=60))
def test_any_value_comes_as_it_was_typed(value: str) -> None:
    fields, _ = form_of(FORM, field("text", value) + END, 1)
    assert fields == [("text", value)]
