"""Sends facts to subscribed systems as signed webhooks."""
