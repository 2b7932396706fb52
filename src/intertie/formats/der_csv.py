"""DERs as a table: one line each."""

from __future__ import annotations

from intertie.formats.table_csv import record_of, rows_of
from intertie.model.aggregation import DERS_MAX, Der
from intertie.model.errors import SettingsError

NEEDED = ("id", "technology", "nameplate_kw", "feeder", "point", "meter")
# `control_modes` are divided by blanks; the programme_ columns are another programme that the DER is in, if any.
OPTIONAL = (
    *("premises", "account", "consent", "nameplate_kwh", "nameplate_kvar", "nameplate_kva"),
    *("max_charge_kw", "max_discharge_kw", "normal_category", "abnormal_category", "control_modes"),
    *("programme", "programme_operator", "programme_from", "programme_until", "programme_kw"),
)
_PROGRAMME = "programme"


def read_ders(raw: bytes) -> tuple[Der, ...]:
    """The DERs of a table with these columns. SettingsError says which line is wrong, and why."""
    ders = tuple(record_of(Der, number, _nested(fields)) for number, fields in rows_of(raw, NEEDED, OPTIONAL))
    if not 0 < len(ders) <= DERS_MAX:
        raise SettingsError(
            f"the table has {len(ders)} DERs, not 1 to {DERS_MAX}", do="Send more of them in several tables."
        )
    return ders


def _nested(fields: dict[str, str]) -> dict[str, object]:
    """As the record has them: modes as a list, the other programme as a record of its own."""
    plain: dict[str, object] = {
        name: text for name, text in fields.items() if not name.startswith(_PROGRAMME)
    }
    if "control_modes" in fields:
        plain["control_modes"] = fields["control_modes"].split()
    said = {
        name.removeprefix(f"{_PROGRAMME}_"): text
        for name, text in fields.items()
        if name.startswith(_PROGRAMME)
    }
    if said:
        term = {"start": said.pop("from", None), "end": said.pop("until", None)}
        kw = said.pop("kw", None)
        committed = {} if kw is None else {"committed_kw": kw}
        plain["other_programmes"] = [{**said, "term": term, **committed}]
    return plain
