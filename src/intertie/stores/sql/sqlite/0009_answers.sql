-- Answers in a partner's own protocol that are still to be posted; the answer itself is the receipt of the parcel.
CREATE TABLE answers (
    partner      TEXT NOT NULL,
    parcel       TEXT NOT NULL,
    since        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER NOT NULL,
    PRIMARY KEY (partner, parcel)
) STRICT, WITHOUT ROWID;
