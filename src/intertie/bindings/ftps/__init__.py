"""Files by FTP over TLS: the mailbox of SFTP for partners that know nothing newer."""
