"""Mail to people, over SMTP (RFC 5321): what they are told when an urgent message is not acknowledged."""
