-- Parcels of others on their way: sealed for their recipients, and gone from here once the next hop has them.
CREATE TABLE relayed (
    parcel       text COLLATE "C" PRIMARY KEY,
    sender       text COLLATE "C" NOT NULL,
    recipient    text COLLATE "C" NOT NULL,
    previous     text COLLATE "C" NOT NULL,
    next         text COLLATE "C" NOT NULL,
    hop          bigint NOT NULL,
    digest       bytea NOT NULL,
    suite        text COLLATE "C" NOT NULL,
    size         bigint NOT NULL,
    blob         bytea,
    waybill      bytea NOT NULL,
    trail        bytea NOT NULL,
    receipt      bytea NOT NULL,
    at           bigint NOT NULL,
    expires      bigint NOT NULL,
    priority     bigint NOT NULL,
    passage      text COLLATE "C" NOT NULL,
    back         text COLLATE "C" NOT NULL,
    onward       bytea,
    answer       bytea,
    attempts     bigint NOT NULL DEFAULT 0,
    next_attempt bigint,
    detail       text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX relayed_on ON relayed (next, priority, at) WHERE passage = 'taken';
CREATE INDEX relayed_back ON relayed (previous, priority, at) WHERE back = 'owed';
CREATE INDEX relayed_sender ON relayed (sender) WHERE passage = 'taken';
CREATE INDEX relayed_ends ON relayed (expires);
CREATE INDEX relayed_at ON relayed (at);
-- What relays said about parcels from us and for us.
CREATE TABLE hops (
    parcel    text COLLATE "C" NOT NULL,
    outgoing  bigint NOT NULL,
    partner   text COLLATE "C" NOT NULL,
    digest    bytea NOT NULL,
    number    bigint NOT NULL,
    statement bytea NOT NULL,
    PRIMARY KEY (parcel, outgoing, partner, digest)
);
