-- What people search by: newest first, by partner or conversation. Each index ends with the row's number, which is seq.
CREATE INDEX messages_partner ON messages (CASE outgoing WHEN 1 THEN recipient ELSE sender END);
CREATE INDEX messages_conversation ON messages (conversation) WHERE conversation IS NOT NULL;
