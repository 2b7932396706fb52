-- One more state of a message: handed_over.
ALTER TABLE messages DROP CONSTRAINT messages_state_check;
ALTER TABLE messages ADD CONSTRAINT messages_state_check CHECK (state IN (
    'queued', 'sending', 'accepted', 'duplicate', 'refused', 'expired', 'cancelled', 'failed', 'handed_over'));
