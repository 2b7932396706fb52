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

-- A chunk with a data key holds one ciphertext per body (nonce || ciphertext || tag), and `live` of them are not erased.
-- messages.start is where a body's ciphertext begins; messages.length stays the length of the body itself. A chunk that
-- nobody needs any more is emptied.
ALTER TABLE chunks ADD COLUMN data_key INTEGER REFERENCES data_keys (number);
ALTER TABLE chunks ADD COLUMN live INTEGER;

-- Chunks with bodies of before, still to be encrypted, and the messages in them: a chunk's messages were written together.
CREATE TABLE unprotected (
    chunk INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT;
INSERT INTO unprotected SELECT chunk, min(seq), max(seq) FROM messages GROUP BY chunk;

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
