"""The sources of contacts and their commands: everything that reads files, mailboxes and sockets."""
