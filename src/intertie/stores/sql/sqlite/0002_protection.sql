-- What rotation, proof, encryption and erasure have to remember.

-- The connection a parcel came or went over, as JSON (seal/transport.py). NULL: the binding had none to tell of, or the
-- parcel is older than this column.
ALTER TABLE parcels ADD COLUMN transport TEXT;

-- Every certificate chain that a kept signature names, so that evidence outlives a rotation. The thumbprint is SHA-256 of
-- the leaf; the chain is a JSON array of base64 DER, leaf first.
CREATE TABLE chains (
    thumbprint BLOB PRIMARY KEY CHECK (length(thumbprint) = 32),
    chain      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The sequence of our descriptor that the partner has acknowledged; 0: none yet.
ALTER TABLE partners ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;

-- The keys that bodies are encrypted with, each wrapped by a key that is not in this file. `used` counts encryptions: a key
-- with random 96-bit nonces is good for 2^32 (SP 800-38D s.8.3). `live` counts the bodies that are still there under it.
CREATE TABLE data_keys (
    number       INTEGER PRIMARY KEY,
    month        TEXT NOT NULL CHECK (month GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]'),
    port         TEXT NOT NULL,
    wrapped      BLOB,
    made_at      INTEGER NOT NULL,
    used         INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0),
    live         INTEGER NOT NULL DEFAULT 0 CHECK (live >= 0),
    destroyed_at INTEGER,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
) STRICT;

-- Chunks of ciphertexts (nonce || ciphertext || tag, one per body), and how many bodies in them are not erased. There
-- messages.start is where a body's ciphertext begins, and messages.length stays the length of the body itself. Apart from
-- `chunks`: what stands behind a large value in a row costs the reading of that value.
CREATE TABLE ciphertexts (
    chunk    INTEGER PRIMARY KEY REFERENCES chunks (chunk),
    data_key INTEGER NOT NULL REFERENCES data_keys (number),
    live     INTEGER NOT NULL CHECK (live >= 0)
) STRICT;

-- Chunks with bodies of before, still to be encrypted, and the messages in them: a chunk's messages were written together.
CREATE TABLE unprotected (
    chunk INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT;
INSERT INTO unprotected SELECT chunk, min(seq), max(seq) FROM messages GROUP BY chunk;

-- A sealed parcel that is not sent again needs no copy of its bytes: what it says is in its messages, its digest stays.
UPDATE chunks SET data = x'' WHERE chunk IN (SELECT chunk FROM parcels WHERE state <> 'waiting');
UPDATE parcels SET chunk = NULL WHERE state <> 'waiting';

-- An erased message keeps its row and its leaf hash; the body is overwritten.
ALTER TABLE messages ADD COLUMN erased_at INTEGER;
ALTER TABLE messages ADD COLUMN erased_why TEXT;

-- What must not be erased, whatever the retention: one message, or all under an agreement.
CREATE TABLE holds (
    number      INTEGER PRIMARY KEY,
    message     TEXT,
    agreement   TEXT,
    reference   TEXT NOT NULL,
    at          INTEGER NOT NULL,
    released_at INTEGER,
    CHECK ((message IS NULL) <> (agreement IS NULL))
) STRICT;
CREATE UNIQUE INDEX holds_message ON holds (message) WHERE released_at IS NULL AND message IS NOT NULL;
CREATE UNIQUE INDEX holds_agreement ON holds (agreement) WHERE released_at IS NULL AND agreement IS NOT NULL;
