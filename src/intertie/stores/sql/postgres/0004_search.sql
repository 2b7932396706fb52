-- What people search by: newest first, by partner, conversation or document.
CREATE INDEX messages_partner ON messages ((CASE outgoing WHEN 1 THEN recipient ELSE sender END), seq);
CREATE INDEX messages_conversation ON messages (conversation, seq) WHERE conversation IS NOT NULL;
DROP INDEX messages_document;
CREATE INDEX messages_document ON messages (document, outgoing, seq);
