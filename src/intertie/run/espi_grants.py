"""A custodian's applications and consents, wired to a gateway's directory; without readings, which commands do not need."""

from __future__ import annotations

from datetime import timedelta

from intertie.gateway.espi.espi_customers import Customers
from intertie.gateway.espi.espi_grants import Grants, Lives
from intertie.run.opening import Opened
from intertie.stores.espi_customers import CustomerFiles
from intertie.stores.espi_files import EspiFiles


def customers_of(it: Opened) -> Customers:
    """The customers of this gateway, who decide for themselves."""
    return Customers(it.gateway, grants_of(it), CustomerFiles(it.places.of(it.settings.espi.folder)))


def grants_of(it: Opened) -> Grants:
    """Applications and consents of this gateway."""
    settings = it.settings.espi
    lives = Lives(timedelta(seconds=settings.access_seconds), timedelta(days=settings.refresh_days))
    return Grants(it.gateway, EspiFiles(it.places.of(settings.folder)), lives)
