"""The server of a door for partners that have no certificate of ours: TLS by the settings, and no certificate asked for."""

from __future__ import annotations

import ssl

import uvicorn
from starlette.applications import Starlette

from intertie.gateway.configuration.as2_settings import As2Door
from intertie.gateway.configuration.as4_settings import As4Door
from intertie.gateway.configuration.espi_settings import EspiDoor
from intertie.gateway.configuration.internet_et_settings import InternetEtDoor
from intertie.gateway.configuration.settings import UftpDoor
from intertie.gateway.configuration.upload_settings import UploadDoor
from intertie.model.errors import SettingsError
from intertie.run.opening import Opened

# A partner posts one message and goes.
KEEP_ALIVE_SECONDS = 15


def door_config(
    it: Opened,
    app: Starlette,
    settings: UftpDoor | As2Door | As4Door | UploadDoor | InternetEtDoor | EspiDoor,
    section: str,
) -> uvicorn.Config:
    """How it is served. SettingsError for files that are not there."""
    certificate = it.places.of(settings.certificate) if settings.certificate else None
    key = it.places.of(settings.key) if settings.key else None
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise SettingsError(f"{file} is not there", do=f"Mend {section} certificate and key.")
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        ssl_certfile=str(certificate) if certificate else None,
        ssl_keyfile=str(key) if key else None,
    )
    if config.is_ssl:
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2  # neither protocol names one; SP 800-52 does
    return config
