"""People, and how they sign in: the acts themselves, on their file, with the journal beside them."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pyotp
import pytest
from tests.portal.world import World
from tests.unit.seal.test_people_secrets import Authenticator

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import (
    CODE_LIFE,
    IDLE,
    SESSION_LIFE,
    NotKnown,
    Passkey,
    Person,
    Visitor,
    add_passkey,
    add_person,
    digest,
    disable,
    make_code,
    remove_passkey,
    set_password,
    set_roles,
)
from intertie.gateway.office.sign_in import (
    CHALLENGE_LIFE,
    FREE,
    FREE_ADDRESS,
    FREE_NAME,
    Wait,
    ask_passkey,
    by_code,
    by_passkey,
    by_password,
    sign_out,
)
from intertie.gateway.office.visits import heard, present, say_next
from intertie.journal.entry import read_entry
from intertie.model.errors import SettingsError, StoreError
from intertie.seal.one_time_codes import new_secret
from intertie.seal.passkeys import Site, ask_new, read_new
from intertie.stores.people_file import FILE, PeopleFile

SENTENCE = "a feeder, a battery and a kettle"
HOME = Visitor("198.51.100.7", "a browser")
ELSEWHERE = Visitor("203.0.113.9", "a browser")
SITE = Site("portal.test", "http://portal.test")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "office", made=False)
    yield world
    world.close()


def journal(world: World) -> list[str]:
    return [read_entry(raw).note for _, raw, _ in world.gateway.store.entries()]


def ann(world: World, *roles: OfficeRole) -> Person:
    return add_person(
        world.gateway, world.people, "ann", roles or (OfficeRole.OPERATOR,), world.now, "a test"
    )


def enrolled(world: World) -> str:
    """Ann, with password and authenticator; its secret."""
    ann(world)
    secret = new_secret()
    set_password(
        world.gateway,
        world.people,
        "ann",
        SENTENCE,
        secret,
        pyotp.TOTP(secret).at(world.now),
        world.now,
        world.now,
    )
    world.now += timedelta(minutes=1)
    return secret


def enter(world: World, secret: str, visitor: Visitor = HOME, password: str = SENTENCE) -> str:
    code = pyotp.TOTP(secret).at(world.now)
    key, _ = by_password(world.gateway, world.people, "ann", password, code, visitor, world.now, world.now)
    return key


def test_a_person_is_added_once_and_the_journal_says_by_whom(world: World) -> None:
    made = ann(world, OfficeRole.TRADER, OfficeRole.OPERATOR)
    assert made.roles == (OfficeRole.OPERATOR, OfficeRole.TRADER) and not made.enrolled
    assert "person added: ann as operator, trader; by a test from this machine" in journal(world)
    with pytest.raises(SettingsError, match="already"):
        ann(world)


@pytest.mark.parametrize("name", ["", "Ann", "a b", "-x", "x" * 65, "ann\n", "<b>", "../x"])
def test_what_is_no_name(world: World, name: str) -> None:
    with pytest.raises(SettingsError, match="no name"):
        add_person(world.gateway, world.people, name, [OfficeRole.TRADER], world.now, "a test")


def test_a_person_has_a_role(world: World) -> None:
    with pytest.raises(SettingsError, match="has a role"):
        add_person(world.gateway, world.people, "ann", [], world.now, "a test")
    ann(world)
    with pytest.raises(SettingsError, match="has a role"):
        set_roles(world.gateway, world.people, "ann", [], world.now, "a test")


def test_a_code_lets_in_once_in_time_and_the_newest_only(world: World) -> None:
    ann(world)
    first = make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    second = make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    with pytest.raises(NotKnown):
        by_code(world.gateway, world.people, first, HOME, world.now)
    key, session = by_code(world.gateway, world.people, f"  {second.upper()} ", HOME, world.now)
    assert session.how == "code"
    assert present(world.people, key, HOME, world.now) is not None
    with pytest.raises(NotKnown):
        by_code(world.gateway, world.people, second, HOME, world.now)
    late = make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    with pytest.raises(NotKnown):
        by_code(world.gateway, world.people, late, HOME, world.now + CODE_LIFE)
    assert not any(code.replace("-", "") in note for note in journal(world) for code in (first, second, late))


@pytest.mark.parametrize("life", [timedelta(0), timedelta(days=8)])
def test_no_code_for_ever(world: World, life: timedelta) -> None:
    ann(world)
    with pytest.raises(SettingsError, match="up to 7 days"):
        make_code(world.gateway, world.people, "ann", life, world.now, "a test")


def test_password_and_code_together(world: World) -> None:
    secret = enrolled(world)
    key = enter(world, secret)
    found = present(world.people, key, HOME, world.now)
    assert found is not None and found.person.name == "ann" and found.session.how == "password"
    assert any(note.startswith("signed in by password; by ann from 198.51.100.7") for note in journal(world))


def test_nothing_says_what_was_wrong(world: World) -> None:
    secret = enrolled(world)
    good = pyotp.TOTP(secret).at(world.now)
    said = set()
    for name, password, code in [
        ("ann", "another sentence of words", good),
        ("ann", SENTENCE, "000000" if good != "000000" else "000001"),
        ("ann", SENTENCE, ""),
        ("bob", SENTENCE, good),
        ("x" * 500, SENTENCE, good),
    ]:
        with pytest.raises(NotKnown) as caught:
            by_password(world.gateway, world.people, name, password, code, HOME, world.now, world.now)
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_one_time_code_counts_once_also_in_another_browser(world: World) -> None:
    secret = enrolled(world)
    enter(world, secret)
    with pytest.raises(NotKnown):
        enter(world, secret, ELSEWHERE)
    world.now += timedelta(seconds=30)
    enter(world, secret, ELSEWHERE)


def test_a_password_is_set_with_the_code_that_belongs_to_it(world: World) -> None:
    ann(world)
    secret = new_secret()
    with pytest.raises(SettingsError, match="one-time code"):
        set_password(world.gateway, world.people, "ann", SENTENCE, secret, "123", world.now, world.now)
    with pytest.raises(SettingsError, match="15 to 256"):
        set_password(world.gateway, world.people, "ann", "short", secret, "123456", world.now, world.now)
    with pytest.raises(SettingsError, match="no person named bob"):
        good = pyotp.TOTP(secret).at(world.now)
        set_password(world.gateway, world.people, "bob", SENTENCE, secret, good, world.now, world.now)


def fail(world: World, visitor: Visitor, name: str = "ann", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises((NotKnown, Wait)):
            by_password(world.gateway, world.people, name, "", "", visitor, world.now, world.now)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that costs nothing: these tests fail hundreds of times."""
    monkeypatch.setattr("intertie.gateway.office.sign_in.same_password", lambda kept, said: said == SENTENCE)


def test_who_fails_waits_longer_each_time_and_locks_nobody_else_out(world: World, quick: None) -> None:
    secret = enrolled(world)
    fail(world, ELSEWHERE, times=FREE)
    with pytest.raises(Wait, match="too many"):
        enter(world, secret, ELSEWHERE)
    enter(world, secret, HOME)  # the owner, at another address, does not notice
    world.now += timedelta(seconds=30)
    enter(world, secret, ELSEWHERE)  # the wait is over, and the right password ends it
    world.now += timedelta(seconds=30)
    enter(world, secret, ELSEWHERE)


def test_one_address_does_not_try_all_names(world: World, quick: None) -> None:
    for number in range(FREE_ADDRESS):
        fail(world, ELSEWHERE, f"name-{number}")
    with pytest.raises(Wait):
        by_password(world.gateway, world.people, "somebody", "", "", ELSEWHERE, world.now, world.now)
    fail(world, HOME, "somebody")
    assert any("sign-in fails again and again: address 203.0.113.9" in note for note in journal(world))


def test_a_name_tried_from_everywhere_waits_only_where_its_owner_never_was(world: World, quick: None) -> None:
    secret = enrolled(world)
    enter(world, secret, HOME)
    for number in range(FREE_NAME):
        fail(world, Visitor(f"192.0.2.{number}", "a bot"))
    with pytest.raises(Wait):
        by_password(world.gateway, world.people, "ann", "", "", ELSEWHERE, world.now, world.now)
    world.now += timedelta(seconds=30)
    enter(world, secret, HOME)
    code = make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    by_code(world.gateway, world.people, code, ELSEWHERE, world.now)


def test_failures_are_forgotten_after_an_hour(world: World, quick: None) -> None:
    enrolled(world)
    fail(world, ELSEWHERE, times=FREE + 3)
    world.now += timedelta(hours=2)
    fail(world, ELSEWHERE)
    kept = world.people.failures(f"name ann at {ELSEWHERE.address}")
    assert kept is not None and kept.count == 1


def with_passkey(world: World) -> Authenticator:
    person = ann(world)
    device = Authenticator(SITE)
    challenge, _ = ask_new(SITE, "ann", bytes.fromhex(person.handle), [])
    made = read_new(SITE, challenge, device.make(challenge))
    key = Passkey(id=made.id.hex(), public_key=made.public_key.hex(), count=0, label="stick", made=world.now)
    add_passkey(world.gateway, world.people, "ann", key, world.now)
    return device


def asked(world: World, name: str = "asked") -> bytes:
    ask_passkey(world.people, SITE, name, world.now)
    taken = world.people.take_challenge(name)
    assert taken is not None
    world.people.put_challenge(name, taken[0], world.now)
    return taken[0]


def test_a_passkey_lets_in_and_its_count_goes_up(world: World) -> None:
    device = with_passkey(world)
    for uses in (1, 2):
        said = device.use(asked(world))
        _, session = by_passkey(world.gateway, world.people, SITE, "asked", said, HOME, world.now)
        assert session.how == "passkey"
        person = world.people.person("ann")
        assert person is not None and person.passkeys[0].count == uses


def test_a_passkeys_answer_counts_once_and_in_time(world: World) -> None:
    device = with_passkey(world)
    said = device.use(asked(world))
    by_passkey(world.gateway, world.people, SITE, "asked", said, HOME, world.now)
    with pytest.raises(NotKnown):
        by_passkey(world.gateway, world.people, SITE, "asked", said, HOME, world.now)
    said = device.use(asked(world))
    world.now += CHALLENGE_LIFE + timedelta(seconds=1)
    with pytest.raises(NotKnown):
        by_passkey(world.gateway, world.people, SITE, "asked", said, HOME, world.now)


def test_a_passkey_of_nobody_and_of_somebody_who_is_gone(world: World) -> None:
    stranger = Authenticator(SITE)
    stranger.id = b"\x07" * 32
    with_passkey(world)
    with pytest.raises(NotKnown):
        by_passkey(world.gateway, world.people, SITE, "asked", stranger.use(asked(world)), HOME, world.now)
    device = Authenticator(SITE)
    disable(world.gateway, world.people, "ann", world.now, "a test")
    with pytest.raises(NotKnown):
        by_passkey(world.gateway, world.people, SITE, "asked", device.use(asked(world)), HOME, world.now)


def test_the_last_passkey_stays_unless_there_is_a_password(world: World) -> None:
    device = with_passkey(world)
    id = device.id.hex()
    with pytest.raises(SettingsError, match="all there is"):
        remove_passkey(world.gateway, world.people, "ann", id, world.now)
    with pytest.raises(SettingsError, match="no such passkey"):
        remove_passkey(world.gateway, world.people, "ann", "00", world.now)
    secret = new_secret()
    good = pyotp.TOTP(secret).at(world.now)
    set_password(world.gateway, world.people, "ann", SENTENCE, secret, good, world.now, world.now)
    assert remove_passkey(world.gateway, world.people, "ann", id, world.now).passkeys == ()
    assert world.people.owner_of(id) is None


def test_not_more_passkeys_than_anybody_has(world: World) -> None:
    ann(world)
    for number in range(11):
        key = Passkey(id=f"{number:02x}", public_key="00", count=0, label="k", made=world.now)
        if number < 10:
            add_passkey(world.gateway, world.people, "ann", key, world.now)
        else:
            with pytest.raises(SettingsError, match="at most 10"):
                add_passkey(world.gateway, world.people, "ann", key, world.now)


def test_a_session_ends_by_itself_by_hand_and_with_its_person(world: World) -> None:
    secret = enrolled(world)
    key = enter(world, secret)
    assert present(world.people, key, HOME, world.now) is not None
    assert present(world.people, key, HOME, world.now + IDLE) is None
    world.now += timedelta(minutes=2)
    key = enter(world, secret)
    at = world.now
    while at < world.now + SESSION_LIFE - timedelta(minutes=20):
        at += timedelta(minutes=20)
        assert present(world.people, key, HOME, at) is not None
    assert present(world.people, key, HOME, world.now + SESSION_LIFE) is None
    world.now += timedelta(minutes=2)
    key = enter(world, secret)
    found = present(world.people, key, HOME, world.now)
    assert found is not None
    sign_out(world.gateway, world.people, found.session, world.now)
    assert present(world.people, key, HOME, world.now) is None
    world.now += timedelta(minutes=2)
    key = enter(world, secret)
    disable(world.gateway, world.people, "ann", world.now, "a test")
    assert present(world.people, key, HOME, world.now) is None
    with pytest.raises(NotKnown):
        world.now += timedelta(minutes=2)
        enter(world, secret)


def test_what_a_page_asks_by_itself_keeps_no_session_open(world: World) -> None:
    key = enter(world, enrolled(world))
    for minutes in range(2, 30, 2):
        at = world.now + timedelta(minutes=minutes)
        assert present(world.people, key, HOME, at, seen=False) is not None
    assert present(world.people, key, HOME, world.now + IDLE, seen=False) is None


def test_a_stolen_key_opens_nothing_in_another_browser(world: World) -> None:
    key = enter(world, enrolled(world))
    assert present(world.people, key, Visitor(HOME.address, "another browser"), world.now) is None
    assert present(world.people, key, Visitor("192.0.2.1", HOME.agent), world.now) is not None  # people move
    for not_one in ("", "x", "x" * 43, "x" * 5000, digest(key)):
        assert present(world.people, not_one, HOME, world.now) is None


def test_other_roles_count_at_once(world: World) -> None:
    key = enter(world, enrolled(world))
    set_roles(world.gateway, world.people, "ann", [OfficeRole.AUDITOR], world.now, "a test")
    found = present(world.people, key, HOME, world.now)
    assert found is not None and found.person.roles == (OfficeRole.AUDITOR,)


def test_what_is_said_next_is_said_once(world: World) -> None:
    key = enter(world, enrolled(world))
    found = present(world.people, key, HOME, world.now)
    assert found is not None
    say_next(world.people, found.session, "Done.")
    found = present(world.people, key, HOME, world.now)
    assert found is not None and heard(world.people, found.session) == "Done."
    found = present(world.people, key, HOME, world.now)
    assert found is not None and heard(world.people, found.session) == ""


def test_what_is_kept_opens_nothing(world: World) -> None:
    """Whoever reads the file finds no key, no password, no code of a session."""
    key = enter(world, enrolled(world))
    code = make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    raw = b"".join(path.read_bytes() for path in world.folder.glob("people.db*"))
    for secret in (key, code.replace("-", ""), code, SENTENCE):
        assert secret.encode() not in raw
    assert b"$argon2id$" in raw
    assert stat.S_IMODE((world.folder / FILE).stat().st_mode) == 0o600


def test_two_processes_and_their_threads_change_one_person(world: World) -> None:
    ann(world)
    other = PeopleFile(world.folder)

    def add(book: PeopleFile, begin: int) -> None:
        for number in range(begin, begin + 20):
            book.change("ann", counted)
            assert number >= begin

    def counted(known: Person | None) -> Person:
        assert known is not None
        return msgspec.structs.replace(known, step=known.step + 1)

    threads = [
        threading.Thread(target=add, args=(book, n * 100)) for n, book in enumerate((world.people, other) * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    person = other.person("ann")
    assert person is not None and person.step == 80
    other.close()


def test_strangers_fill_no_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.stores.people_file.STRANGERS_MAX", 10)
    for number in range(40):
        world.people.put_challenge(f"c{number}", b"x", world.now + timedelta(seconds=number))
    assert world.people.take_challenge("c5") is None
    assert world.people.take_challenge("c39") is not None


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be one" * 20)
    with pytest.raises(StoreError, match="people cannot be kept"):
        PeopleFile(tmp_path)
    with pytest.raises(StoreError):
        PeopleFile(tmp_path / FILE)
