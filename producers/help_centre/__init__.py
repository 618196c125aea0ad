"""Holds the articles of the help centre, searches them, and reads them again when they change."""
