"""The source that reads mailboxes on IMAP servers."""
