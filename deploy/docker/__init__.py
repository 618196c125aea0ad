"""The image, and stand-ins for those of others."""
