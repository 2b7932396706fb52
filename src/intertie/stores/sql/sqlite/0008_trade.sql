-- Messages of the trade that both parties hold, in the order in which this store learned of it. `received` is the time in the
-- receipt: ours for what came, the partner's for what went.
CREATE TABLE trade (
    number   INTEGER PRIMARY KEY,
    seq      INTEGER NOT NULL UNIQUE REFERENCES messages (seq),
    partner  TEXT NOT NULL,
    received INTEGER NOT NULL
) STRICT;
CREATE INDEX trade_partner ON trade (partner, number);
