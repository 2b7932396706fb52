"""`intertie espi revoke`: a consent is over."""

from __future__ import annotations

from intertie.cli._espi_consent import consent_json
from intertie.cli._shared import HERE, Dir, Json, print_json, when
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def revoke(client_id: str, consent: str, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Revoke a consent: its tokens open nothing from now on, and the application is told.

    Parameters
    ----------
    client_id
        As `intertie espi consents` lists it.
    consent
        Its id.
    """
    with opened(dir) as it:
        one = grants_of(it).revoke(client_id, consent, it.clock())
    if json:
        print_json(consent_json(one))
    else:
        print(f"Consent {one.id} ended {when(one.revoked)}.")
