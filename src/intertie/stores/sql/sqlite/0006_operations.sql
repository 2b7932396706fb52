-- How long messages took to their receipts: counts by span of time, flow and duration (exchange/timeliness.py). `start` 0 is
-- the sum of all older spans.
CREATE TABLE timeliness (
    start     INTEGER NOT NULL,
    interface TEXT NOT NULL,
    document  TEXT NOT NULL,
    mode      TEXT NOT NULL,
    place     INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    late      INTEGER NOT NULL,
    seconds   REAL NOT NULL,
    PRIMARY KEY (start, interface, document, mode, place)
) STRICT, WITHOUT ROWID;

-- Stop flags: `ours` 1 if we asked the partner to stop sending, 0 if it asked us.
CREATE TABLE stops (
    partner TEXT NOT NULL,
    ours    INTEGER NOT NULL CHECK (ours IN (0, 1)),
    since   INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (partner, ours)
) STRICT, WITHOUT ROWID;
