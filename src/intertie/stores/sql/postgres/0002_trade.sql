-- Messages of the trade that both parties hold, in the order in which this store learned of it. `received` is the time in the
-- receipt: ours for what came, the partner's for what went.
CREATE TABLE trade (
    number   bigint PRIMARY KEY,
    seq      bigint NOT NULL UNIQUE REFERENCES messages (seq),
    partner  text COLLATE "C" NOT NULL,
    received bigint NOT NULL
);
CREATE INDEX trade_partner ON trade (partner, number);
