-- Times are microseconds since 1970-01-01T00:00:00Z. Hashes are 32 bytes. Ids are text, as on the wire.

-- Bytes, written once and never changed: the bodies of one transaction's messages end to end, or one sealed parcel.
-- Apart from the rows that point at them, so that a change of state does not write them again.
CREATE TABLE chunks (
    chunk INTEGER PRIMARY KEY,
    data  BLOB NOT NULL
) STRICT;

CREATE TABLE parcels (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL,
    outgoing     INTEGER NOT NULL CHECK (outgoing IN (0, 1)),
    partner      TEXT NOT NULL,
    digest       BLOB NOT NULL CHECK (length(digest) = 32),
    chunk        INTEGER REFERENCES chunks (chunk),
    manifest     BLOB NOT NULL,
    leaves       BLOB NOT NULL,
    receipt      BLOB,
    at           INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'receipted', 'abandoned')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER,
    detail       TEXT NOT NULL DEFAULT '',
    CHECK ((state = 'receipted') = (receipt IS NOT NULL))
) STRICT;

-- Two partners may choose the same id; each has its own.
CREATE UNIQUE INDEX parcels_id ON parcels (id, outgoing, partner);
CREATE INDEX parcels_waiting ON parcels (partner, number) WHERE outgoing = 1 AND state = 'waiting';

-- Index rows: the bytes of a message are chunk[start, start + length).
CREATE TABLE messages (
    seq          INTEGER PRIMARY KEY,
    outgoing     INTEGER NOT NULL CHECK (outgoing IN (0, 1)),
    id           TEXT NOT NULL,
    sender       TEXT NOT NULL,
    recipient    TEXT NOT NULL,
    interface    TEXT NOT NULL,
    document     TEXT NOT NULL,
    mode         TEXT NOT NULL,
    conversation TEXT,
    agreement    TEXT,
    created      INTEGER NOT NULL,
    expires      INTEGER NOT NULL,
    priority     INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    state        TEXT NOT NULL CHECK (state IN (
        'queued', 'sending', 'accepted', 'duplicate', 'refused', 'expired', 'cancelled', 'failed')),
    leaf         BLOB NOT NULL CHECK (length(leaf) = 32),
    parcel       INTEGER REFERENCES parcels (number),
    position     INTEGER,
    at           INTEGER NOT NULL,
    done_at      INTEGER,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER,
    detail       TEXT NOT NULL DEFAULT '',
    chunk        INTEGER NOT NULL REFERENCES chunks (chunk),
    start        INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    CHECK ((done_at IS NULL) = (state IN ('queued', 'sending'))),
    CHECK (state <> 'sending' OR parcel IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX messages_id ON messages (id, sender, outgoing);
-- Not the other way round: an index that begins with a flag tempts SQLite to use it for everything.
CREATE INDEX messages_document ON messages (document, outgoing);
CREATE INDEX messages_parcel ON messages (parcel, position) WHERE parcel IS NOT NULL;
CREATE INDEX messages_queued ON messages (recipient, priority, seq) WHERE outgoing = 1 AND state = 'queued';
CREATE INDEX messages_expiring ON messages (expires) WHERE outgoing = 1 AND state = 'queued';
CREATE INDEX messages_talking ON messages (conversation, recipient, seq)
    WHERE outgoing = 1 AND done_at IS NULL AND conversation IS NOT NULL;

-- How many messages are in which state, kept by whoever moves one: counting millions is slow.
CREATE TABLE tallies (
    outgoing INTEGER NOT NULL,
    state    TEXT NOT NULL,
    count    INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (outgoing, state)
) STRICT, WITHOUT ROWID;

-- Whom we have ever sent to, and the number of the next parcel.
CREATE TABLE partners (
    party    TEXT PRIMARY KEY,
    next_seq INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    partner TEXT,
    parcel  TEXT,
    message TEXT,
    code    TEXT NOT NULL,
    step    INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    digest  BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE journal (
    idx   INTEGER PRIMARY KEY,
    entry BLOB NOT NULL,
    leaf  BLOB NOT NULL CHECK (length(leaf) = 32)
) STRICT;

-- One row: the journal's head, and the few hashes from which the next one follows.
CREATE TABLE frontier (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    size  INTEGER NOT NULL,
    root  BLOB NOT NULL CHECK (length(root) = 32),
    nodes BLOB NOT NULL
) STRICT;

-- What partners' receipts said of their journals. The same head twice says nothing new; two roots of one size do.
CREATE TABLE partner_heads (
    number  INTEGER PRIMARY KEY,
    partner TEXT NOT NULL,
    size    INTEGER NOT NULL,
    root    BLOB NOT NULL CHECK (length(root) = 32),
    at      INTEGER NOT NULL,
    UNIQUE (partner, size, root)
) STRICT;
