"""Files of a request: forms as programs make them, bodies that are one file, and everything that is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.bindings.upload.form import BadForm, Uploaded, files_of
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
