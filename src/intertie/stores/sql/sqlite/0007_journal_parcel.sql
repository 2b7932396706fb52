-- The journal's lines about one parcel, found by their bytes: an entry is canonical JSON, where `"parcel":"` stands in no other
-- place (inside a text a quotation mark has a backslash before it). Taking each new line apart as JSON cost more than writing it.
DROP INDEX journal_parcel;
CREATE INDEX journal_parcel ON journal (substr(entry, instr(entry, x'2270617263656C223A22') + 10, 36))
    WHERE instr(entry, x'2270617263656C223A22') > 0;
