"""SFTP: a mailbox for partners that come, and our way to the servers of partners (docs/sftp.md)."""
