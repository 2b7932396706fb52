-- Access tokens that were revoked before their end; a row may go once the token would have ended anyway.
CREATE TABLE revoked_tokens (
    id      TEXT PRIMARY KEY,
    partner TEXT NOT NULL,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX revoked_tokens_until ON revoked_tokens (until);

-- Of these partners, every token issued at this time or before is revoked.
CREATE TABLE revoked_partners (
    partner TEXT PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
