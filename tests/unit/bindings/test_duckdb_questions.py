"""Questions in SQL: one SELECT over the tables that are given, and nothing else of the machine."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from intertie.bindings.duckdb import questions
from intertie.bindings.duckdb.questions import QUESTION_MAX, Answer, NotAnswered, answer
from intertie.model.errors import SettingsError

TABLE = pa.table({"n": [1, 2, 3], "at": pa.array([0, 1, 2], pa.timestamp("us", tz="UTC"))})


def ask(question: str, *, rows: int = 10, seconds: float = 60) -> Answer:
    return answer({"t": TABLE}, question, zone="America/New_York", rows=rows, seconds=seconds)


def test_a_select_is_answered_up_to_its_rows() -> None:
    assert ask("select sum(n) as total from t").table.to_pylist() == [{"total": 6}]
    some = ask("select n from t order by n desc", rows=2)
    assert some.table["n"].to_pylist() == [3, 2] and some.more
    assert not ask("select n from t", rows=3).more


def test_times_are_of_the_zone() -> None:
    found = ask("select t.at, hour(t.at) as hour from t limit 1").table.to_pylist()[0]
    assert found["at"].isoformat() == "1969-12-31T19:00:00-05:00" and found["hour"] == 19


@pytest.mark.parametrize(
    "question",
    [
        "copy t to '{folder}/out.csv'",
        "select * from read_csv('{folder}/there.csv')",
        "select * from '{folder}/there.csv'",
        "select content from read_text('{folder}/there.csv')",
        "select * from glob('{folder}/*')",
        "attach '{folder}/out.db'",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '99GB'",
        "create table mine as select 1",
        "drop view t",
        "select 1; select 2",
        "",
        "selekt",
        "select * from TABLE",
        "select getenv('HOME')",
    ],
)
def test_nothing_else_is(question: str, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("a,b\n1,2\n")
    with pytest.raises(NotAnswered) as caught:
        ask(question.format(folder=tmp_path))
    assert caught.value.do
    assert [one.name for one in tmp_path.iterdir()] == ["there.csv"]


def test_what_never_ends_is_stopped() -> None:
    endless = "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    with pytest.raises(NotAnswered, match=r"no answer in 0\.2 s"):
        ask(endless, seconds=0.2)


def test_what_needs_too_much_memory_is_an_error_and_no_file() -> None:
    with pytest.raises(NotAnswered, match="more than 1GB of memory"):
        ask("select list(i) from range(1000000000) r(i)")


def test_a_question_has_a_length() -> None:
    with pytest.raises(NotAnswered, match="characters"):
        ask("select 1 " + " " * QUESTION_MAX)


def test_without_duckdb_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "INSTALLED", False)
    with pytest.raises(SettingsError, match="not installed"):
        ask("select 1")
