"""The source that serves HTTP: the form, survey pages, the signed endpoint, and webhook endpoints."""
