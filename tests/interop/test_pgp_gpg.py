"""OpenPGP with GnuPG on the other side, both ways: what it writes by default, with every option that partners use, and broken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import pytest
from tests.interop.gpg_home import Gpg

from intertie.model.errors import SettingsError
from intertie.seal.pgp import (
    PgpError,
    PgpFlaw,
    PgpKey,
    armored_signature,
    open_package,
    read_public_key,
    verify_detached,
)

NOW = datetime.now(UTC)
CONTENT = b"content-type: application/EDI-X12\r\n\r\nISA*00*~\nno line end"
MOST = 1_000_000


@cache
def us() -> PgpKey:
    return PgpKey.generate("us")


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    home = Gpg("partner")
    home.know(us().public)
    yield home
    home.close()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--armor"],
        ["-z", "0"],
        ["--compress-algo", "bzip2"],
        ["--digest-algo", "SHA256"],
        ["--armor", "--comment", "of a program", "--emit-version"],
    ],
)
def test_what_gpg_signs_and_encrypts_is_opened_and_verified(gpg: Gpg, options: list[str]) -> None:
    opened = open_package(gpg.package("us", CONTENT, *options), [us()], MOST)
    assert opened.content == CONTENT
    signed = verify_detached(opened.content, opened.signatures[0], [gpg.public])
    assert signed.fingerprint == read_public_key(gpg.public, NOW).fingerprint
    assert signed.digest in ("sha512", "sha256")


def test_a_text_signature_verifies_over_what_came_out(gpg: Gpg) -> None:
    opened = open_package(gpg.package("us", b"a\nb\n", "--textmode"), [us()], MOST)
    assert opened.content == b"a\r\nb\r\n"
    assert verify_detached(opened.content, opened.signatures[0], [gpg.public])


def test_gpg_opens_and_verifies_what_we_write(gpg: Gpg) -> None:
    assert gpg.opened(us().seal(CONTENT, gpg.public, NOW)) == (CONTENT, True)
    signature, digest = us().sign(CONTENT)
    assert digest == "sha512" and gpg.verifies(CONTENT, signature)
    assert not gpg.verifies(CONTENT + b"!", signature)


def test_signatures_of_gpg_verify_and_a_changed_byte_does_not(gpg: Gpg) -> None:
    signature = gpg.sign(CONTENT)
    assert verify_detached(CONTENT, signature, [us().public, gpg.public])
    for changed in (CONTENT + b"\r\n", CONTENT[:-1], b""):
        with pytest.raises(PgpError) as refused:
            verify_detached(changed, signature, [gpg.public])
        assert refused.value.flaw is PgpFlaw.NOT_SIGNED


def test_a_signature_of_a_stranger_is_none(gpg: Gpg) -> None:
    opened = open_package(gpg.package("us", CONTENT), [us()], MOST)
    with pytest.raises(PgpError):
        verify_detached(opened.content, opened.signatures[0], [us().public])


def test_sha1_only_where_it_is_agreed_and_md5_never(gpg: Gpg) -> None:
    weak = gpg.sign(CONTENT, "--digest-algo", "SHA1")
    with pytest.raises(PgpError):
        verify_detached(CONTENT, weak, [gpg.public])
    assert verify_detached(CONTENT, weak, [gpg.public], sha1=True).digest == "sha1"
    with pytest.raises(PgpError):
        verify_detached(CONTENT + b"!", weak, [gpg.public], sha1=True)
    with pytest.raises(PgpError):
        verify_detached(CONTENT, weak, [us().public], sha1=True)
    worse = gpg.sign(CONTENT, "--digest-algo", "MD5", "--allow-weak-digest-algos")
    with pytest.raises(PgpError):
        verify_detached(CONTENT, worse, [gpg.public], sha1=True)


def test_each_way_to_be_wrong_has_its_name(gpg: Gpg) -> None:
    whole = gpg.package("us", CONTENT)
    armored = gpg.package("us", CONTENT, "--armor")
    at = len(whole) - 40
    for package, flaw in [
        (gpg.run("-u", "partner", "--sign", given=CONTENT), PgpFlaw.NOT_ENCRYPTED),
        (b"ISA*00*", PgpFlaw.NOT_ENCRYPTED),
        (b"", PgpFlaw.NOT_ENCRYPTED),
        (whole[:-20], PgpFlaw.TRUNCATED),
        (armored[:-300], PgpFlaw.TRUNCATED),
        (gpg.package("partner", CONTENT), PgpFlaw.BAD_KEY),
        (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], PgpFlaw.DECRYPTION),
    ]:
        with pytest.raises(PgpError) as refused:
            open_package(package, [us()], MOST)
        assert refused.value.flaw is flaw


def test_what_is_not_signed_has_no_signature(gpg: Gpg) -> None:
    assert open_package(gpg.run("-r", "us", "--encrypt", given=CONTENT), [us()], MOST).signatures == ()


@pytest.mark.parametrize("how", ["zip", "zlib", "bzip2"])
def test_a_bomb_ends_the_process_that_opens_it_and_nothing_else(gpg: Gpg, how: str) -> None:
    bomb = gpg.package("us", bytes(450_000_000), "--compress-algo", how)
    assert len(bomb) < 1_000_000
    with pytest.raises(PgpError) as refused:
        open_package(bomb, [us()], MOST)
    assert refused.value.flaw in (PgpFlaw.DECRYPTION, PgpFlaw.TOO_LARGE)
    assert open_package(gpg.package("us", CONTENT), [us()], MOST).content == CONTENT


def test_a_file_that_is_too_long_is_said_to_be(gpg: Gpg) -> None:
    package = gpg.package("us", bytes(2000))
    with pytest.raises(PgpError) as refused:
        open_package(package, [us()], 1999)
    assert refused.value.flaw is PgpFlaw.TOO_LARGE
    assert len(open_package(package, [us()], 2000).content) == 2000


def test_a_signature_that_was_in_a_package_stands_alone(gpg: Gpg) -> None:
    opened = open_package(gpg.package("us", CONTENT), [us()], MOST)
    assert gpg.verifies(CONTENT, armored_signature(opened.signatures[0]))


def test_what_was_signed_before_the_key_ended_stays_good_and_the_key_is_used_no_more() -> None:
    old = Gpg("old", at="20240301T000000")
    try:
        signature, public = old.sign(CONTENT), old.public
    finally:
        old.close()
    assert verify_detached(CONTENT, signature, [public]).created.year == 2024
    with pytest.raises(SettingsError, match="ended"):
        read_public_key(public, NOW)


def test_a_short_key_is_not_taken() -> None:
    short = Gpg("short", bits=1024)
    try:
        with pytest.raises(SettingsError, match="1024 bits"):
            read_public_key(short.public, NOW)
    finally:
        short.close()


def test_who_hides_the_recipient_is_opened_too(gpg: Gpg) -> None:
    other = PgpKey.generate("other")
    assert open_package(gpg.package("us", CONTENT, "--throw-keyids"), [other, us()], MOST).content == CONTENT
    with pytest.raises(PgpError):
        open_package(gpg.package("us", CONTENT, "--throw-keyids"), [other], MOST)
