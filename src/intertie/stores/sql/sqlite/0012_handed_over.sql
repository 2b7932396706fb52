-- One more state of a message: handed_over. The check is changed in place, as SQLite's documentation has it for changes that do
-- not touch rows ("Making Other Kinds Of Table Schema Changes"): messages may be millions. The index makes every connection
-- read the schema again; it lists what is neither delivered nor given up.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''cancelled'', ''failed'')', '''cancelled'', ''failed'', ''handed_over'')')
    WHERE type = 'table' AND name = 'messages';
PRAGMA writable_schema = RESET;
CREATE INDEX messages_handed_over ON messages (recipient, seq) WHERE outgoing = 1 AND state = 'handed_over';
