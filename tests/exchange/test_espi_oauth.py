"""Tokens of a custodian: a customer consents, a code counts once, tokens end, and nothing that opens anything is on disk."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.exchange.espi_world import HOST, OWN, REDIRECT, SCOPE, START, World, hours

from intertie.formats.espi.scope import BadScope
from intertie.gateway.espi.espi_grants import ASKING_LIFE, ASKINGS_MAX, CODE_LIFE, NotGranted
from intertie.gateway.espi.espi_ports import NO_ID, TOKENS_MAX, Application, Asking
from intertie.journal.entry import Kind, read_entry
from intertie.model.errors import SettingsError

TOKEN = "/espi/1_1/oauth/token"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.keep(hours())
    return world


@pytest.fixture
def app(world: World) -> tuple[Application, str]:
    return world.add()


def back(answer: httpx.Response) -> dict[str, str]:
    """Where a browser is sent: the third party's address, and what it is told."""
    assert answer.status_code == 302, answer.text
    location = answer.headers["location"]
    assert location.startswith(f"{REDIRECT}?")
    return {name: one for name, (one,) in parse_qs(urlsplit(location).query).items()}


def waiting(world: World) -> Asking:
    [one] = [one for one in world.book.askings() if one.consent is None and not one.denied]
    return one


def code_of(world: World, application: Application, **asked: str) -> str:
    page = world.ask(application, **asked).headers["location"]
    world.grants.decide(waiting(world).id, "C-1", ["M1"], world.now + timedelta(days=365), None, world.now)
    return back(world.client.get(page))["code"]


def redeem(world: World, app: tuple[Application, str], code: str, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | more
    return world.token(*app, **{name: text for name, text in form.items() if text})


def test_a_customer_waits_consents_and_goes_back(world: World, app: tuple[Application, str]) -> None:
    first = world.ask(app[0])
    assert first.status_code == 303
    page = first.headers["location"]
    shown = world.client.get(page)
    one = waiting(world)
    assert (
        shown.status_code == 200
        and "Sun App" in shown.text
        and one.id in shown.text
        and 'content="5"' in shown.text
    )
    assert shown.headers["referrer-policy"] == "no-referrer" and "frame-ancestors 'none'" in str(
        shown.headers
    )
    world.grants.decide(one.id, "C-1", ["M1"], world.now + timedelta(days=30), None, world.now)
    said = back(world.client.get(page))
    assert said["state"] == "s/1" and said["iss"] == HOST
    answer = redeem(world, app, said["code"])
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens["token_type"] == "Bearer" and tokens["expires_in"] == 3600 and tokens["scope"] == OWN
    consent = next(world.book.consents(app[0].id))
    assert tokens["resourceURI"] == f"{HOST}/espi/1_1/resource/Batch/Subscription/{consent.id}"
    assert tokens["authorizationURI"] == f"{HOST}/espi/1_1/resource/Authorization/{consent.id}"
    assert world.get(tokens["resourceURI"], tokens["access_token"]).status_code == 200
    assert "over" in world.client.get(page).text


def test_a_customer_who_does_not_consent_goes_back_too(world: World, app: tuple[Application, str]) -> None:
    page = world.ask(app[0]).headers["location"]
    world.grants.deny(waiting(world).id, world.now)
    assert back(world.client.get(page)) == {"error": "access_denied", "state": "s/1", "iss": HOST}
    assert not list(world.book.consents(app[0].id))
    with pytest.raises(SettingsError, match="nobody waits"):
        world.grants.deny("ffffffffffff", world.now)


def test_who_sends_a_customer_wrongly_is_told_where_that_is_safe(
    world: World, app: tuple[Application, str]
) -> None:
    for changed in (
        {"client_id": "ffffffffffff"},
        {"client_id": ""},
        {"redirect_uri": "https://evil.example/back"},
        {"redirect_uri": f"{REDIRECT}/../x"},
    ):
        answer = world.ask(app[0], **changed)
        assert answer.status_code == 400 and "location" not in answer.headers, changed
    for changed, error in (
        ({"scope": "FB=99"}, "invalid_scope"),
        ({"scope": "FB=4;IntervalDuration=60"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "a" * 43, "code_challenge_method": "S1"}, "invalid_request"),
    ):
        said = back(world.ask(app[0], **changed))
        assert said["error"] == error and said["state"] == "s/1", changed
    twice = world.client.get(f"/espi/1_1/oauth/authorize?client_id={app[0].id}&client_id=x")
    assert twice.status_code == 400
    assert not world.book.askings()
    assert world.ask(app[0], redirect_uri="", scope="").status_code == 303, "it has but one, and asks for all"
    assert waiting(world).scope == SCOPE


def test_a_page_that_nobody_was_sent_to(world: World, app: tuple[Application, str]) -> None:
    page = world.ask(app[0]).headers["location"]
    one = waiting(world)
    for secret in ("x", one.id, f"{one.id}{'x' * 43}", f"{page.rpartition('/')[2]}x", "a" * 500, "../../x"):
        assert world.client.get(f"/espi/1_1/oauth/asked/{secret}").status_code == 404
    world.now += ASKING_LIFE + timedelta(seconds=1)
    assert world.client.get(page).status_code == 404
    world.ask(app[0])
    assert len(world.book.askings()) == 1, "who waited in vain is forgotten"


def test_not_so_many_wait_at_once(
    world: World, app: tuple[Application, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertie.gateway.espi.espi_grants.ASKINGS_MAX", 2)
    assert [world.ask(app[0]).status_code for _ in range(3)] == [303, 303, 503] and ASKINGS_MAX > 2


def test_a_code_counts_once_for_its_own_and_not_for_long(world: World, app: tuple[Application, str]) -> None:
    other = world.add(name="Other App")
    code = code_of(world, app[0])
    assert redeem(world, other, code).json()["error"] == "invalid_grant"
    assert redeem(world, app, code[:-1]).json()["error"] == "invalid_grant"
    tokens = redeem(world, app, code).json()
    assert world.get(tokens["resourceURI"], tokens["access_token"]).status_code == 200
    assert redeem(world, app, code).json()["error"] == "invalid_grant"
    assert world.get(tokens["resourceURI"], tokens["access_token"]).status_code == 401, (
        "somebody has stolen it"
    )
    assert (
        world.token(*app, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code
        == 400
    )
    late = code_of(world, app[0])
    world.now += CODE_LIFE
    assert redeem(world, app, late).json()["error"] == "invalid_grant"


def test_a_code_is_bound_to_where_it_was_sent_and_to_who_asked(
    world: World, app: tuple[Application, str]
) -> None:
    code = code_of(world, app[0])
    assert redeem(world, app, code, redirect_uri="https://app.example/other").status_code == 400
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {"code_challenge": challenge, "code_challenge_method": "S256"}
    assert redeem(world, app, code_of(world, app[0], **asked)).status_code == 400
    assert redeem(world, app, code_of(world, app[0], **asked), code_verifier="w" * 43).status_code == 400
    assert redeem(world, app, code_of(world, app[0], **asked), code_verifier=verifier).status_code == 200
    assert redeem(world, app, code_of(world, app[0]), code_verifier=verifier).status_code == 400
    assert redeem(world, app, code_of(world, app[0]), redirect_uri="").status_code == 200, "it has but one"


def test_a_refresh_token_lives_as_long_as_it_is_used(world: World, app: tuple[Application, str]) -> None:
    tokens = world.consented(*app, "M1")
    resource, refresh = tokens["resourceURI"], tokens["refresh_token"]
    world.now += timedelta(hours=1)
    assert world.get(resource, tokens["access_token"]).status_code == 401
    again = world.token(*app, grant_type="refresh_token", refresh_token=refresh)
    assert again.status_code == 200 and "refresh_token" not in again.json()
    assert world.get(resource, again.json()["access_token"]).status_code == 200
    assert world.get(resource, refresh).status_code == 401, "it opens nothing itself"
    other = world.add(name="Other App")
    assert (
        world.token(*other, grant_type="refresh_token", refresh_token=refresh).json()["error"]
        == "invalid_grant"
    )
    wider = world.token(*app, grant_type="refresh_token", refresh_token=refresh, scope=SCOPE)
    assert wider.json()["error"] == "invalid_scope"
    world.now = START + timedelta(days=364)
    assert world.token(*app, grant_type="refresh_token", refresh_token=refresh).status_code == 200
    world.now = START + timedelta(days=366)
    assert world.token(*app, grant_type="refresh_token", refresh_token=refresh).status_code == 400, (
        "the consent ended"
    )


def test_a_refresh_token_that_is_not_used_ends(tmp_path: Path) -> None:
    world = World(tmp_path, refresh_days=10)
    app = world.add()
    tokens = world.consented(*app, "M1")
    for days, status in ((9, 200), (18, 200), (29, 400)):
        world.now = START + timedelta(days=days)
        answer = world.token(*app, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert answer.status_code == status, days


def test_who_an_application_is(world: World, app: tuple[Application, str]) -> None:
    form = {"grant_type": "client_credentials"}
    wrong = world.client.post(TOKEN, data=form, auth=(app[0].id, "wrong"))
    assert wrong.status_code == 401 and wrong.json()["error"] == "invalid_client"
    assert world.client.post(TOKEN, data=form, auth=("ffffffffffff", app[1])).status_code == 401
    assert world.client.post(TOKEN, data=form).status_code == 401
    posted = form | {"client_id": app[0].id, "client_secret": app[1]}
    assert world.client.post(TOKEN, data=posted).status_code == 200
    assert world.token(*app, grant_type="password").json()["error"] == "unsupported_grant_type"
    assert (
        world.token(*app, grant_type="client_credentials", scope="FB=51").json()["error"] == "invalid_scope"
    )
    for more in (
        {"content": b"grant_type=client_credentials", "headers": {"content-type": "text/plain"}},
        {"content": b"a=1&a=2", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"content": b"a=" + b"x" * 20_000, "headers": {"content-type": "application/x-www-form-urlencoded"}},
    ):
        answer = world.client.post(TOKEN, auth=(app[0].id, app[1]), **more)
        assert answer.status_code == 400 and answer.json()["error"] == "invalid_request"
    said = world.token(*app, grant_type="client_credentials").json()
    assert said["resourceURI"].endswith("/Batch/Bulk/b1") and "refresh_token" not in said
    assert world.client.get("/.well-known/oauth-authorization-server").json()["issuer"] == HOST


def test_tokens_that_are_given_back_open_nothing(world: World, app: tuple[Application, str]) -> None:
    def revoke(token: str, who: tuple[Application, str] = app) -> int:
        form = {"token": token}
        return world.client.post("/espi/1_1/oauth/revoke", data=form, auth=(who[0].id, who[1])).status_code

    other = world.add(name="Other App")
    tokens = world.consented(*app, "M1")
    resource, access = tokens["resourceURI"], tokens["access_token"]
    more = world.token(*app, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()[
        "access_token"
    ]
    assert revoke(access, other) == 200 and world.get(resource, access).status_code == 200, "it is not theirs"
    assert revoke("nonsense") == 200
    assert revoke(access) == 200 and world.get(resource, access).status_code == 401
    assert world.get(resource, more).status_code == 200
    assert revoke(tokens["refresh_token"]) == 200 and world.get(resource, more).status_code == 401
    own = world.own_token(*app)
    assert revoke(own) == 200 and world.get("ServiceStatus", own).status_code == 401
    assert world.client.post("/espi/1_1/oauth/revoke", data={"token": own}).status_code == 401


def test_a_consent_that_ends_ends_its_tokens(world: World, app: tuple[Application, str]) -> None:
    for how in ("custodian", "third party", "time", "application"):
        tokens = world.consented(*app, "M1")
        id = tokens["authorizationURI"].rpartition("/")[2]
        assert world.get(tokens["authorizationURI"], tokens["access_token"]).status_code == 200
        if how == "custodian":
            world.grants.revoke(app[0].id, id, world.now)
            assert world.grants.revoke(app[0].id, id, world.now + timedelta(days=1)).revoked == world.now
        elif how == "third party":
            path = f"/espi/1_1/resource/Authorization/{id}"
            headers = {"authorization": f"Bearer {tokens['access_token']}"}
            assert world.client.request("DELETE", f"{path}x", headers=headers).status_code == 404
            assert (
                world.client.request("DELETE", path.replace(f"/{id}", ""), headers=headers).status_code == 405
            )
            assert world.client.request("DELETE", path, headers=headers).status_code == 204
        elif how == "time":
            world.now += timedelta(days=366)
        else:
            world.grants.revoke_application(app[0].id, world.now)
        assert world.get(tokens["resourceURI"], tokens["access_token"]).status_code == 401, how
        assert (
            world.token(*app, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code
            != 200
        )
    assert world.token(*app, grant_type="client_credentials").status_code == 401


def test_nothing_that_opens_anything_is_on_disk_or_in_the_journal(
    world: World, app: tuple[Application, str]
) -> None:
    code = code_of(world, app[0])
    tokens = redeem(world, app, code).json()
    own = world.own_token(*app)
    secrets = [app[1], code, tokens["access_token"], tokens["refresh_token"], own]
    kept = b"".join(path.read_bytes() for path in (world.folder / "espi").rglob("*") if path.is_file())
    assert not any(secret.encode() in kept for secret in secrets)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (world.folder / "espi").rglob("*"))
    notes = [read_entry(raw) for _, raw, _ in world.gateway.store.entries()]
    said = [one.note.partition(":")[0] for one in notes if one.kind is Kind.ACT]
    assert said == ["espi application added", "espi consent given"] and "C-1" not in str(notes)


def test_only_so_many_tokens_of_one_consent_count_at_once(world: World, app: tuple[Application, str]) -> None:
    tokens = world.consented(*app, "M1")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    later = [world.token(*app, **form).json()["access_token"] for _ in range(TOKENS_MAX)]
    assert [
        world.get(tokens["resourceURI"], one).status_code for one in (tokens["access_token"], *later)
    ] == [
        401,
        *[200] * TOKENS_MAX,
    ]


def test_what_operators_say_is_checked(world: World, app: tuple[Application, str]) -> None:
    application, _ = app
    until = world.now + timedelta(days=1)
    with pytest.raises(SettingsError, match="there is an application"):
        world.add()
    with pytest.raises(BadScope):
        world.add("FB=banana", name="B")
    with pytest.raises(SettingsError, match="https"):
        world.grants.add_application("C", ["http://app.example/back"], None, SCOPE, world.now)
    assert world.grants.add_application("D", ["http://127.0.0.1:1/back"], None, SCOPE, world.now)
    with pytest.raises(SettingsError):
        world.grants.add_application("E", [], None, SCOPE, world.now)
    with pytest.raises(BadScope, match="agreed with this application"):
        world.give(application, "M1", scope="FB=4;IntervalDuration=1")
    with pytest.raises(SettingsError):
        world.give(application)
    with pytest.raises(SettingsError, match="until"):
        world.give(application, "M1", days=-1)
    with pytest.raises(SettingsError, match="no application"):
        world.grants.give("ffffffffffff", "C-1", ["M1"], until, None, world.now)
    with pytest.raises(SettingsError, match="no consent"):
        world.grants.revoke(application.id, "../../x", world.now)
    world.ask(application)
    with pytest.raises(BadScope, match="asked for"):
        world.grants.decide(waiting(world).id, "C-1", ["M1"], until, SCOPE, world.now)
    less = world.grants.decide(waiting(world).id, "C-1", ["M1"], until, "FB=4", world.now)
    assert less.scope == "FB=4" and world.custodian is not None
    with pytest.raises(NotGranted):
        world.grants.let_in(f"{application.id}{NO_ID}nothing", world.now)
