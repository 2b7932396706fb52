-- Parcels of others on their way: sealed for their recipients, and gone from here once the next hop has them.
CREATE TABLE relayed (
    parcel       TEXT PRIMARY KEY,
    sender       TEXT NOT NULL,
    recipient    TEXT NOT NULL,
    previous     TEXT NOT NULL,
    next         TEXT NOT NULL,
    hop          INTEGER NOT NULL,
    digest       BLOB NOT NULL,
    suite        TEXT NOT NULL,
    size         INTEGER NOT NULL,
    blob         BLOB,
    waybill      BLOB NOT NULL,
    trail        BLOB NOT NULL,
    receipt      BLOB NOT NULL,
    at           INTEGER NOT NULL,
    expires      INTEGER NOT NULL,
    priority     INTEGER NOT NULL,
    passage      TEXT NOT NULL,
    back         TEXT NOT NULL,
    onward       BLOB,
    answer       BLOB,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER,
    detail       TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX relayed_on ON relayed (next, priority, at) WHERE passage = 'taken';
CREATE INDEX relayed_back ON relayed (previous, priority, at) WHERE back = 'owed';
CREATE INDEX relayed_sender ON relayed (sender) WHERE passage = 'taken';
CREATE INDEX relayed_ends ON relayed (expires);
CREATE INDEX relayed_at ON relayed (at);
-- What relays said about parcels from us and for us.
CREATE TABLE hops (
    parcel    TEXT NOT NULL,
    outgoing  INTEGER NOT NULL,
    partner   TEXT NOT NULL,
    digest    BLOB NOT NULL,
    number    INTEGER NOT NULL,
    statement BLOB NOT NULL,
    PRIMARY KEY (parcel, outgoing, partner, digest)
) STRICT, WITHOUT ROWID;
