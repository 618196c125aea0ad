"""The guards of whatever is open to the outside: rate limits, proxies, device tokens."""
