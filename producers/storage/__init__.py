"""The store of attachments."""
