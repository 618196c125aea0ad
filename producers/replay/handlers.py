"""Replay handlers: what makes events of a dead letter again, by the name in its header `producer`.

An endpoint is here because it exists; any other channel is one line. What takes an input live takes it again, from the same
two things, the raw bytes and `InputContext`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from producers.channels import chat, form, generic, survey
from producers.endpoint import endpoints
from producers.imports.formats import history
from producers.intake import Take
from producers.mail import event as email
from producers.security.grants import granted
from producers.sources.http import form as http_form
from producers.sources.http.webhooks import secrets_of
from producers.sources.mail_intake import mail_event
from producers.storage.attachments import AttachmentStore
from schemas.settings import ProducerSettings

__all__ = ["ELSEWHERE", "replay_handlers"]

_IMPORT = "run the same import again, with --again: what Kafka has already is recognised"
#: Producers whose dead letters are no whole input, and what to do instead.
ELSEWHERE: Mapping[str, str] = {
    chat.CHANNEL: "the visitor's page was told that the line is not taken, and still shows it",
    survey.CHANNEL: "the customer was shown the page again, with what was typed",
    "zendesk": _IMPORT,
    "freshdesk": _IMPORT,
    "chatwoot": _IMPORT,
}


def replay_handlers(settings: ProducerSettings, store: AttachmentStore | None) -> Mapping[str, Take]:
    """Returns a handler for every channel that can take an input again; without a `store`, attachments are not stored."""
    mail = mail_event(settings, store)
    return {
        **{endpoint.name: endpoint.take for endpoint in endpoints()},
        email.CHANNEL: lambda raw, given: [mail(raw, given)],
        form.CHANNEL: partial(http_form.take, user_secrets=secrets_of(settings, "user_secrets")),
        generic.CHANNEL: granted(generic.take),
        history.CHANNEL: lambda raw, given: [history.event(raw, given)],
    }
