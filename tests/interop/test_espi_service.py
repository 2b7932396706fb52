"""A custodian as it is served, and programs that we did not write: requests-oauthlib for tokens, curl, greenbutton-objects."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.peers.environment import installed
from bench.peers.talk import driver
from oauthlib.oauth2 import BackendApplicationClient, InvalidGrantError
from requests_oauthlib import OAuth2Session
from tests.command.gateways import here
from tests.interop.espi_house import SCOPE, House, bring, context, make_house, serving, third_party
from tests.interop.sftp_house import until
from tests.unit.formats.espi_world import read

from intertie.formats.espi.service import OAUTH

REDIRECT = "https://app.example/back"
OWN = "FB=4_5_15_39;IntervalDuration=900"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = make_house(tmp_path_factory.mktemp("espi"))
    bring(house, *range(96))
    with serving(house):
        yield house


def register(house: House, capsys: Any, name: str, notify: str = "") -> tuple[str, str]:
    more = ["--notify", notify] if notify else []
    said = here(
        capsys,
        "espi",
        "register",
        name,
        "--redirect",
        REDIRECT,
        "--scope",
        SCOPE,
        *more,
        "--dir",
        house.place,
        "--json",
    ).json
    return said["client_id"], said["client_secret"]


def consented(
    house: House, capsys: Any, app: tuple[str, str], meter: str = "M1"
) -> tuple[OAuth2Session, dict[str, Any]]:
    """A third party's program, a customer's browser, and the custodian's operator."""
    session = OAuth2Session(app[0], redirect_uri=REDIRECT, scope=[OWN], pkce="S256")
    session.verify, session.trust_env = str(house.trust), False
    address, state = session.authorization_url(f"{house.url}{OAUTH}/authorize")
    with httpx.Client(verify=context(house), follow_redirects=True) as browser:
        page = browser.get(address)
        [waiting] = here(capsys, "espi", "asking", "--dir", house.place, "--json").json["asking"]
        assert page.status_code == 200 and waiting["number"] in page.text
        done = here(
            capsys,
            "espi",
            "consent",
            waiting["number"],
            "--customer",
            "C-17",
            "--meter",
            meter,
            "--dir",
            house.place,
            "--json",
        )
        assert done.json["meters"] == [meter]
        back = browser.get(page.url, follow_redirects=False)
    assert state in back.headers["location"]
    token = session.fetch_token(
        f"{house.url}{OAUTH}/token", authorization_response=back.headers["location"], client_secret=app[1]
    )
    return session, token


def test_a_customer_consents_and_requests_oauthlib_gets_the_feed(
    house: House, capsys: Any, tmp_path: Path
) -> None:
    app = register(house, capsys, "Sun App")
    session, token = consented(house, capsys, app)
    answer = session.get(token["resourceURI"])
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/atom+xml"
    [found], _ = read(answer.content)
    assert found.meter == "M1" and found.series.values == tuple(range(96))
    again = session.refresh_token(f"{house.url}{OAUTH}/token", auth=app)
    assert again["access_token"] != token["access_token"] and again["refresh_token"] == token["refresh_token"]
    assert session.get(token["resourceURI"], params={"max-results": "1"}).status_code == 200
    listed = here(capsys, "espi", "consents", "--dir", house.place, "--json").json["consents"]
    id = next(one["consent"] for one in listed if one["client_id"] == app[0])
    revoked = here(capsys, "espi", "revoke", app[0], id, "--dir", house.place, "--json").json
    assert revoked["revoked"] and session.get(token["resourceURI"]).status_code == 401
    with pytest.raises(InvalidGrantError):
        session.refresh_token(f"{house.url}{OAUTH}/token", auth=app)


@pytest.mark.skipif(
    installed("espi") is None, reason="greenbutton-objects is not here: `make peers` installs it"
)
def test_greenbutton_objects_reads_a_batch_as_it_is_served(house: House, capsys: Any, tmp_path: Path) -> None:
    app = register(house, capsys, "Green App")
    session, token = consented(house, capsys, app)
    file = tmp_path / "batch.xml"
    file.write_bytes(session.get(token["resourceURI"]).content)
    with driver("espi") as peer:
        [one] = peer.ask(do="read", file=str(file))["series"]
    assert (one["service"], one["flow"]) == ("electricity", "forward")
    assert [value for _, _, value, _ in one["readings"]] == list(range(96))


def test_a_program_of_its_own_gets_the_bulk_and_is_told(house: House, capsys: Any) -> None:
    with third_party() as third:
        id, secret = register(house, capsys, "Bulk App", third.url)
        session = OAuth2Session(client=BackendApplicationClient(id, scope=SCOPE))
        session.verify, session.trust_env = str(house.trust), False
        token = session.fetch_token(f"{house.url}{OAUTH}/token", client_id=id, client_secret=secret)
        given = here(
            capsys,
            "espi",
            "give",
            id,
            "--customer",
            "C-1",
            "--meter",
            "M1",
            "--meter",
            "M2",
            "--dir",
            house.place,
            "--json",
        ).json
        until(lambda: third.said)
        assert third.said.pop() == [token["resourceURI"]]
        bring(house, *[5] * 96, meter="M2", days=1)
        until(lambda: third.said)
        [uri] = third.said.pop()
        found = {one.meter: one.series.values for one in read(session.get(uri).content)[0]}
        assert found["M2"] == (5,) * 96
        assert session.get(token["authorizationURI"]).text.count(given["consent"]) >= 1
        here(capsys, "espi", "end", id, "--dir", house.place)
        assert session.get(uri).status_code == 401
    listed = here(capsys, "espi", "applications", "--dir", house.place, "--json").json["applications"]
    assert next(one for one in listed if one["client_id"] == id)["revoked"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl(house: House, capsys: Any) -> None:
    def curl(*words: str) -> tuple[int, bytes]:
        command = ["curl", "-sS", "--cacert", str(house.trust), "-w", "\n%{http_code}", *words]
        body, _, status = subprocess.run(
            command, capture_output=True, check=True, timeout=60
        ).stdout.rpartition(b"\n")
        return int(status), body

    id, secret = register(house, capsys, "Curl App")
    form = ["-u", f"{id}:{secret}", "-d", "grant_type=client_credentials"]
    status, body = curl(*form, f"{house.url}{OAUTH}/token")
    assert status == 200
    bearer = ["-H", f"Authorization: Bearer {json.loads(body)['access_token']}"]
    status, body = curl(*bearer, f"{house.url}/espi/1_1/resource/ServiceStatus")
    assert status == 200 and b"currentStatus>1<" in body
    assert curl(f"{house.url}/espi/1_1/resource/ServiceStatus")[0] == 401
    assert (
        curl("-u", f"{id}:wrong", "-d", "grant_type=client_credentials", f"{house.url}{OAUTH}/token")[0]
        == 401
    )
    assert curl(*bearer, "--path-as-is", f"{house.url}/espi/1_1/resource/../../../intertie.toml")[0] == 404


def test_nothing_older_than_tls_1_3_is_spoken(house: House) -> None:
    old = context(house)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(httpx.ConnectError):
        httpx.get(house.url, verify=old)
    assert httpx.get(house.url, verify=context(house)).status_code == 404


def test_a_customer_who_is_denied_goes_back(house: House, capsys: Any) -> None:
    id, _ = register(house, capsys, "Denied App")
    session = OAuth2Session(id, redirect_uri=REDIRECT, scope=[OWN])
    address, _ = session.authorization_url(f"{house.url}{OAUTH}/authorize")
    with httpx.Client(verify=context(house), follow_redirects=True) as browser:
        page = browser.get(address)
        [waiting] = here(capsys, "espi", "asking", "--dir", house.place, "--json").json["asking"]
        assert here(capsys, "espi", "deny", waiting["number"], "--dir", house.place).code == 0
        assert "access_denied" in browser.get(page.url, follow_redirects=False).headers["location"]
    assert here(capsys, "espi", "deny", waiting["number"], "--dir", house.place).code == 1
    for words in (["asking"], ["consents"], ["applications"]):
        assert here(capsys, "espi", *words, "--dir", house.place).code == 0
