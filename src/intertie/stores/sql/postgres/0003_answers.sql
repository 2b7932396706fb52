-- Answers in a partner's own protocol that are still to be posted; the answer itself is the receipt of the parcel.
CREATE TABLE answers (
    partner      text COLLATE "C" NOT NULL,
    parcel       text COLLATE "C" NOT NULL,
    since        bigint NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    next_attempt bigint NOT NULL,
    PRIMARY KEY (partner, parcel)
);
