-- The journal's tree above its leaves, every eighth level (journal/rows.py). Written once, worked out from `journal`.
CREATE TABLE tree_rows (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

-- The journal's lines about one parcel. A line that is no JSON (somebody changed it) is in no index, and stays as it is.
CREATE INDEX journal_parcel ON journal (iif(json_valid(CAST(entry AS TEXT)), CAST(entry AS TEXT) ->> '$.parcel', NULL))
    WHERE iif(json_valid(CAST(entry AS TEXT)), CAST(entry AS TEXT) ->> '$.parcel', NULL) IS NOT NULL;

-- Whether an audit has shown that a partner's head lies on one growing journal with the others.
-- `signed` is the checkpoint that named it, if no receipt did.
ALTER TABLE partner_heads ADD COLUMN proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1));
ALTER TABLE partner_heads ADD COLUMN signed BLOB;
CREATE INDEX partner_heads_unproven ON partner_heads (partner, size, root) WHERE proven = 0;
CREATE INDEX partner_heads_proven ON partner_heads (partner, size) WHERE proven = 1;

-- Time stamps (RFC 3161) over heads of our journal: what was asked, and the reply once there is one.
CREATE TABLE stamps (
    number  INTEGER PRIMARY KEY,
    size    INTEGER NOT NULL,
    root    BLOB NOT NULL CHECK (length(root) = 32),
    request BLOB NOT NULL,
    reply   BLOB,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX stamps_size ON stamps (size) WHERE reply IS NOT NULL;
