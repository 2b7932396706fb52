"""A custodian's applications and consents, wired to a gateway's directory; without readings, which commands do not need."""

from __future__ import annotations

from datetime import timedelta

from intertie.gateway.espi_grants import Grants, Lives
from intertie.run.opening import Opened
from intertie.stores.espi_files import EspiFiles


def grants_of(it: Opened) -> Grants:
    """Applications and consents of this gateway."""
    settings = it.settings.espi
    lives = Lives(timedelta(seconds=settings.access_seconds), timedelta(days=settings.refresh_days))
    return Grants(it.gateway, EspiFiles(it.places.of(settings.folder)), lives)
