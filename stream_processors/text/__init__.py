"""Pure text: languages, promised times in words, the length of an SMS."""
