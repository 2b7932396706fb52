-- Watches over urgent messages: until when an answer is due, and what followed if none came. A watch that was settled in
-- time is deleted when its time is over, so that few rows are here.
CREATE TABLE watches (
    seq          INTEGER PRIMARY KEY REFERENCES messages (seq),
    due          INTEGER NOT NULL,
    escalated_at INTEGER,
    told_at      INTEGER,
    CHECK (told_at IS NULL OR escalated_at IS NOT NULL)
) STRICT;

CREATE INDEX watches_open ON watches (due, seq) WHERE escalated_at IS NULL;
CREATE INDEX watches_untold ON watches (escalated_at) WHERE escalated_at IS NOT NULL AND told_at IS NULL;

-- Dead letters that were sent again, each once: `seq` is the new message.
CREATE TABLE resends (
    seq INTEGER PRIMARY KEY REFERENCES messages (seq),
    old INTEGER NOT NULL UNIQUE REFERENCES messages (seq)
) STRICT;

CREATE INDEX messages_dead ON messages (seq)
    WHERE outgoing = 1 AND state IN ('refused', 'expired', 'failed');
