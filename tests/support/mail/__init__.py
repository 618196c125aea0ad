"""Mail as strangers' programs write it, and the servers that carry it."""
