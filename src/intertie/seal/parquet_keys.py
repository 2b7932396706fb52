"""Parquet at rest: each file is encrypted under a key of its own (Parquet modular encryption, AES-GCM, footer and all columns),
which is wrapped by one data key of the folder, which the store's key port wraps. Names of meters are in every row."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow.parquet.encryption as pe

from intertie.seal.key_port import KEY_BYTES, KekOf, KeyPort
from intertie.seal.private_files import locked, replace_private

_FOLDER = b"intertie parquet folder v1"
_FILE = b"intertie parquet file v1"
_MASTER = "folder"


class ParquetKeys:
    """The keys of a folder of Parquet files. `file` holds the wrapped data key; it is made by the first write. Safe to use from
    any thread."""

    def __init__(self, file: Path, port: KeyPort) -> None:
        """Nothing is read or opened yet."""
        self._file, self._port = file, port
        self._lock = Lock()
        self._kek: KekOf | None = None
        self._connection = pe.KmsConnectionConfig()
        self._factory = pe.CryptoFactory(lambda _: _Wrapping(self._opened()))

    def __repr__(self) -> str:
        return f"ParquetKeys({str(self._file)!r})"

    def writing(self) -> Any:
        """Encryption of one new file, for pyarrow. KeyPortError if the store's key is not here."""
        self._opened()
        how = pe.EncryptionConfiguration(
            _MASTER, uniform_encryption=True, double_wrapping=False, data_key_length_bits=8 * KEY_BYTES
        )
        return self._factory.file_encryption_properties(self._connection, how)

    def reading(self) -> Any:
        """Decryption of a file, for pyarrow. KeyPortError if the store's key is not here."""
        self._opened()
        return self._factory.file_decryption_properties(self._connection)

    def rewrap(self, port: KeyPort) -> bool:
        """Wrap the data key by another port; files are not touched. Whether there was one."""
        with self._lock:
            if not self._file.exists():
                return False
            key = self._port.unwrap(self._file.read_bytes(), _FOLDER)
            replace_private(self._file, port.wrap(key, _FOLDER))
            self._port = port
            return True

    def _opened(self) -> KekOf:
        with self._lock:
            if self._kek is None:
                if not self._file.exists():
                    self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._make()
                self._kek = KekOf(self._port.unwrap(self._file.read_bytes(), _FOLDER))
            return self._kek

    def _make(self) -> None:
        """Of two processes that make it at once, the first one's stays; nobody reads half of it."""
        with locked(self._file.with_suffix(".lock")):
            if not self._file.exists():
                replace_private(self._file, self._port.wrap(os.urandom(KEY_BYTES), _FOLDER))


class _Wrapping(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """What pyarrow asks for the keys of files."""

    def __init__(self, kek: KekOf) -> None:
        super().__init__()
        self._kek = kek

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        return base64.b64encode(self._kek.wrap(key_bytes, _FILE)).decode()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return self._kek.unwrap(base64.b64decode(wrapped_key), _FILE)
