-- The same tables as in SQLite, with the same columns, so that a backup of one engine can be restored into the other.
-- Times are microseconds since 1970-01-01T00:00:00Z. Hashes are 32 bytes. Ids are text, as on the wire, and compared byte
-- by byte (COLLATE "C") whatever the database's language. Numbers are given out by the program, under the journal's lock: a
-- sequence would leave gaps, and let a reader that goes by number miss what is committed late.

-- Bytes, written once: the bodies of one transaction's messages end to end, or one sealed parcel. Not compressed: they are
-- ciphertexts, and a part of a value is then read without the rest.
CREATE TABLE chunks (
    chunk bigint PRIMARY KEY,
    data  bytea NOT NULL
);
ALTER TABLE chunks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE parcels (
    number       bigint PRIMARY KEY,
    id           text COLLATE "C" NOT NULL,
    outgoing     smallint NOT NULL CHECK (outgoing IN (0, 1)),
    partner      text COLLATE "C" NOT NULL,
    digest       bytea NOT NULL CHECK (length(digest) = 32),
    chunk        bigint REFERENCES chunks (chunk),
    manifest     bytea NOT NULL,
    leaves       bytea NOT NULL,
    receipt      bytea,
    at           bigint NOT NULL,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'receipted', 'abandoned')),
    attempts     bigint NOT NULL DEFAULT 0,
    next_attempt bigint,
    detail       text NOT NULL DEFAULT '',
    transport    text,
    CHECK ((state = 'receipted') = (receipt IS NOT NULL))
);

-- Two partners may choose the same id; each has its own.
CREATE UNIQUE INDEX parcels_id ON parcels (id, outgoing, partner);
CREATE INDEX parcels_waiting ON parcels (partner, number) WHERE outgoing = 1 AND state = 'waiting';

-- Index rows: the ciphertext of a message is chunk[start, start + length + 28).
CREATE TABLE messages (
    seq          bigint PRIMARY KEY,
    outgoing     smallint NOT NULL CHECK (outgoing IN (0, 1)),
    id           text COLLATE "C" NOT NULL,
    sender       text COLLATE "C" NOT NULL,
    recipient    text COLLATE "C" NOT NULL,
    interface    text COLLATE "C" NOT NULL,
    document     text COLLATE "C" NOT NULL,
    mode         text COLLATE "C" NOT NULL,
    conversation text COLLATE "C",
    agreement    text COLLATE "C",
    created      bigint NOT NULL,
    expires      bigint NOT NULL,
    priority     smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    state        text COLLATE "C" NOT NULL CHECK (state IN (
        'queued', 'sending', 'accepted', 'duplicate', 'refused', 'expired', 'cancelled', 'failed')),
    leaf         bytea NOT NULL CHECK (length(leaf) = 32),
    parcel       bigint REFERENCES parcels (number),
    position     bigint,
    at           bigint NOT NULL,
    done_at      bigint,
    attempts     bigint NOT NULL DEFAULT 0,
    next_attempt bigint,
    detail       text NOT NULL DEFAULT '',
    chunk        bigint NOT NULL REFERENCES chunks (chunk),
    start        bigint NOT NULL,
    length       bigint NOT NULL,
    erased_at    bigint,
    erased_why   text,
    CHECK ((done_at IS NULL) = (state IN ('queued', 'sending'))),
    CHECK (state <> 'sending' OR parcel IS NOT NULL)
);

CREATE UNIQUE INDEX messages_id ON messages (id, sender, outgoing);
CREATE INDEX messages_document ON messages (document, outgoing);
CREATE INDEX messages_parcel ON messages (parcel, position) WHERE parcel IS NOT NULL;
CREATE INDEX messages_queued ON messages (recipient, priority, seq) WHERE outgoing = 1 AND state = 'queued';
CREATE INDEX messages_expiring ON messages (expires) WHERE outgoing = 1 AND state = 'queued';
CREATE INDEX messages_talking ON messages (conversation, recipient, seq)
    WHERE outgoing = 1 AND done_at IS NULL AND conversation IS NOT NULL;
CREATE INDEX messages_dead ON messages (seq)
    WHERE outgoing = 1 AND state IN ('refused', 'expired', 'failed');

-- How many messages are in which state, kept by whoever moves one: counting millions is slow.
CREATE TABLE tallies (
    outgoing smallint NOT NULL,
    state    text COLLATE "C" NOT NULL,
    count    bigint NOT NULL CHECK (count >= 0),
    PRIMARY KEY (outgoing, state)
);

-- Whom we have ever sent to, the number of the next parcel, and the sequence of our descriptor that was acknowledged.
CREATE TABLE partners (
    party     text COLLATE "C" PRIMARY KEY,
    next_seq  bigint NOT NULL DEFAULT 1,
    announced bigint NOT NULL DEFAULT 0
);

CREATE TABLE refusals (
    seq     bigint PRIMARY KEY,
    at      bigint NOT NULL,
    partner text COLLATE "C",
    parcel  text COLLATE "C",
    message text COLLATE "C",
    code    text COLLATE "C" NOT NULL,
    step    bigint NOT NULL,
    detail  text NOT NULL,
    digest  bytea NOT NULL CHECK (length(digest) = 32)
);

-- `parcel` is the entry's, for finding its lines; what counts is the entry.
CREATE TABLE journal (
    idx    bigint PRIMARY KEY,
    entry  bytea NOT NULL,
    leaf   bytea NOT NULL CHECK (length(leaf) = 32),
    parcel text COLLATE "C"
);
CREATE INDEX journal_parcel ON journal (parcel, idx) WHERE parcel IS NOT NULL;

-- One row: the journal's head, and the few hashes from which the next one follows.
CREATE TABLE frontier (
    one   smallint PRIMARY KEY CHECK (one = 1),
    size  bigint NOT NULL,
    root  bytea NOT NULL CHECK (length(root) = 32),
    nodes bytea NOT NULL
);

-- The journal's tree above its leaves, every eighth level (journal/rows.py). Written once, worked out from `journal`.
CREATE TABLE tree_rows (
    level bigint NOT NULL,
    idx   bigint NOT NULL,
    hash  bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, idx)
);

-- What partners' receipts said of their journals, whether an audit has placed it on one growing journal, and the checkpoint
-- that named it, if no receipt did.
CREATE TABLE partner_heads (
    number  bigint PRIMARY KEY,
    partner text COLLATE "C" NOT NULL,
    size    bigint NOT NULL,
    root    bytea NOT NULL CHECK (length(root) = 32),
    at      bigint NOT NULL,
    proven  smallint NOT NULL DEFAULT 0 CHECK (proven IN (0, 1)),
    signed  bytea,
    UNIQUE (partner, size, root)
);
CREATE INDEX partner_heads_unproven ON partner_heads (partner, size, root) WHERE proven = 0;
CREATE INDEX partner_heads_proven ON partner_heads (partner, size) WHERE proven = 1;

-- Time stamps (RFC 3161) over heads of our journal: what was asked, and the reply once there is one.
CREATE TABLE stamps (
    number  bigint PRIMARY KEY,
    size    bigint NOT NULL,
    root    bytea NOT NULL CHECK (length(root) = 32),
    request bytea NOT NULL,
    reply   bytea,
    at      bigint NOT NULL
);
CREATE INDEX stamps_size ON stamps (size) WHERE reply IS NOT NULL;

-- Every certificate chain that a kept signature names: SHA-256 of the leaf, then a JSON array of base64 DER.
CREATE TABLE chains (
    thumbprint bytea PRIMARY KEY CHECK (length(thumbprint) = 32),
    chain      text NOT NULL
);

-- The keys that bodies are encrypted with, each wrapped by a key that is not in this database. `used` counts encryptions,
-- `live` the bodies that are still there under it.
CREATE TABLE data_keys (
    number       bigint PRIMARY KEY,
    month        text NOT NULL CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    port         text NOT NULL,
    wrapped      bytea,
    made_at      bigint NOT NULL,
    used         bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
    live         bigint NOT NULL DEFAULT 0 CHECK (live >= 0),
    destroyed_at bigint,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

-- Chunks of ciphertexts (nonce || ciphertext || tag, one per body), and how many bodies in them are not erased.
CREATE TABLE ciphertexts (
    chunk    bigint PRIMARY KEY REFERENCES chunks (chunk),
    data_key bigint NOT NULL REFERENCES data_keys (number),
    live     bigint NOT NULL CHECK (live >= 0)
);

-- Chunks with bodies that are not encrypted: only a restored backup of an early SQLite store has any.
CREATE TABLE unprotected (
    chunk bigint PRIMARY KEY,
    first bigint NOT NULL,
    last  bigint NOT NULL
);

-- What must not be erased, whatever the retention: one message, or all under an agreement.
CREATE TABLE holds (
    number      bigint PRIMARY KEY,
    message     text COLLATE "C",
    agreement   text COLLATE "C",
    reference   text NOT NULL,
    at          bigint NOT NULL,
    released_at bigint,
    CHECK ((message IS NULL) <> (agreement IS NULL))
);
CREATE UNIQUE INDEX holds_message ON holds (message) WHERE released_at IS NULL AND message IS NOT NULL;
CREATE UNIQUE INDEX holds_agreement ON holds (agreement) WHERE released_at IS NULL AND agreement IS NOT NULL;

-- Access tokens that were revoked before their end; a row may go once the token would have ended anyway.
CREATE TABLE revoked_tokens (
    id      text COLLATE "C" PRIMARY KEY,
    partner text COLLATE "C" NOT NULL,
    until   bigint NOT NULL
);
CREATE INDEX revoked_tokens_until ON revoked_tokens (until);

-- Of these partners, every token issued at this time or before is revoked.
CREATE TABLE revoked_partners (
    partner text COLLATE "C" PRIMARY KEY,
    at      bigint NOT NULL
);

-- Watches over urgent messages: until when an answer is due, and what followed if none came.
CREATE TABLE watches (
    seq          bigint PRIMARY KEY REFERENCES messages (seq),
    due          bigint NOT NULL,
    escalated_at bigint,
    told_at      bigint,
    CHECK (told_at IS NULL OR escalated_at IS NOT NULL)
);
CREATE INDEX watches_open ON watches (due, seq) WHERE escalated_at IS NULL;
CREATE INDEX watches_untold ON watches (escalated_at) WHERE escalated_at IS NOT NULL AND told_at IS NULL;

-- Dead letters that were sent again, each once: `seq` is the new message.
CREATE TABLE resends (
    seq bigint PRIMARY KEY REFERENCES messages (seq),
    old bigint NOT NULL UNIQUE REFERENCES messages (seq)
);

-- How long messages took to their receipts: counts by span of time, flow and duration (exchange/timeliness.py).
CREATE TABLE timeliness (
    start     bigint NOT NULL,
    interface text COLLATE "C" NOT NULL,
    document  text COLLATE "C" NOT NULL,
    mode      text COLLATE "C" NOT NULL,
    place     bigint NOT NULL,
    count     bigint NOT NULL,
    late      bigint NOT NULL,
    seconds   double precision NOT NULL,
    PRIMARY KEY (start, interface, document, mode, place)
);

-- Stop flags: `ours` 1 if we asked the partner to stop sending, 0 if it asked us.
CREATE TABLE stops (
    partner text COLLATE "C" NOT NULL,
    ours    smallint NOT NULL CHECK (ours IN (0, 1)),
    since   bigint NOT NULL,
    until   bigint NOT NULL,
    PRIMARY KEY (partner, ours)
);

-- One row that every group of writes changes: whoever waits for news looks at it, without asking for any row.
CREATE TABLE pulse (
    one    smallint PRIMARY KEY CHECK (one = 1),
    number bigint NOT NULL
);
INSERT INTO pulse VALUES (1, 0);
