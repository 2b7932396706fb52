"""Parquet at rest: no name in the file, none without the key, and a key that turns without touching files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from intertie.seal.key_port import KekOf, KeyPortError
from intertie.seal.parquet_keys import ParquetKeys

TABLE = pa.table({"meter": ["METER-SECRET-1"] * 100, "value": list(range(100))})
OLD, NEW = KekOf(bytes(32)), KekOf(b"n" * 32)


def keys(folder: Path, port: KekOf = OLD) -> ParquetKeys:
    return ParquetKeys(folder / "parquet.key", port)


def write(path: Path, by: ParquetKeys) -> None:
    with pq.ParquetWriter(path, TABLE.schema, encryption_properties=by.writing()) as writer:
        writer.write_table(TABLE)


def read(path: Path, by: ParquetKeys) -> Any:
    with pq.ParquetFile(path, decryption_properties=by.reading()) as file:
        return file.read()


def test_what_is_written_is_read_and_no_byte_of_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, keys(tmp_path))
    raw = path.read_bytes()
    assert b"METER-SECRET" not in raw and b"meter" not in raw and b"value" not in raw
    assert read(path, keys(tmp_path)).equals(TABLE)  # by another object: from the file of the key alone
    with pytest.raises(OSError):
        pq.ParquetFile(path)


def test_every_file_has_a_key_of_its_own(tmp_path: Path) -> None:
    mine = keys(tmp_path)
    for name in ("a", "b"):
        write(tmp_path / name, mine)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, keys(tmp_path))
    raw = bytearray(path.read_bytes())
    raw[60] ^= 1
    path.write_bytes(raw)
    with pytest.raises(OSError):
        read(path, keys(tmp_path))


def test_without_the_stores_key_nothing_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, keys(tmp_path))
    with pytest.raises(KeyPortError):
        read(path, keys(tmp_path, NEW))
    with pytest.raises(KeyPortError):
        keys(tmp_path, NEW).writing()


def test_the_key_is_wrapped_anew_and_files_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    mine = keys(tmp_path)
    assert not mine.rewrap(NEW)  # there is none yet
    write(path, mine)
    before = path.read_bytes(), (tmp_path / "parquet.key").read_bytes()
    assert mine.rewrap(NEW)
    assert path.read_bytes() == before[0] and (tmp_path / "parquet.key").read_bytes() != before[1]
    assert read(path, keys(tmp_path, NEW)).equals(TABLE) and read(path, mine).equals(TABLE)
    with pytest.raises(KeyPortError):
        read(path, keys(tmp_path, OLD))


def test_the_keys_file_is_private_and_says_nothing(tmp_path: Path) -> None:
    mine = keys(tmp_path / "new")
    mine.writing()
    file = tmp_path / "new" / "parquet.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in repr(mine)
    assert keys(tmp_path / "new").rewrap(OLD)
