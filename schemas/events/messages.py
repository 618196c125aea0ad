"""Messages of customers, their consent, and what carriers report of ours."""

from __future__ import annotations

import msgspec

from schemas.events.base import Event, Micros


class Attachment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part of a message that is not its text; `reference` is where its bytes are stored, '' if nowhere."""

    name: str = ""
    media_type: str = "application/octet-stream"
    size_bytes: int = 0
    reference: str = ""


class MessageReceived(Event, frozen=True, kw_only=True):
    """A customer wrote or spoke to us.

    customer_id   canonical (`email:ann@example.org`)
    address       where to answer: an e-mail address, E.164 number, handle
    text          what they wrote now, quotes and signature removed
    full_text     everything, as plain text
    public        others can read it: a comment, a post
    ticket_ref    the ticket that the source proved it belongs to (recipient or subject token, our Message-ID), or ''
    thread_id     the channel's own thread or conversation id, or ''
    message_id, in_reply_to, references   e-mail threading, with angle brackets; in public, the network's id of what an
                  answer is to stand below
    recipients    addresses that it was sent to
    headers       only those that the loop guards read, names in lower case
    language      locale hint from the source (`en zh-Hans zh-Hant ja`), '' when unknown
    time_zone     the customer's, an IANA name, or ''
    tier          what the directory calls the customer: `vip`, for example
    priority      `low normal high urgent`, '' for normal
    fields        what else the source knows, as names and texts
    verified      here and below: how it was verified that the customer is who it says, one of `VERIFICATIONS`
    sender        the mailbox that wrote it, where `address` is another (a mail with a Reply-To), or ''
    directory     the fields that the directory filled in: the sender did not say them
    brand         here and below: what the customer wrote to, a slug of `brands.yaml`; '' where the producer does not know
    """

    customer_id: str
    address: str
    customer_name: str = ""
    subject: str = ""
    text: str = ""
    full_text: str = ""
    public: bool = False
    ticket_ref: str = ""
    thread_id: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: list[str] = []
    recipients: list[str] = []
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    language: str = ""
    time_zone: str = ""
    order_number: str = ""
    tier: str = ""
    priority: str = ""
    sent_at: Micros | None = None
    fields: dict[str, str] = {}
    verified: str = "none"
    sender: str = ""
    directory: list[str] = []
    brand: str = ""


class ConsentChanged(Event, frozen=True, kw_only=True):
    """A customer wants no more messages at this address (STOP), or wants them again (START), or asked what this is (HELP).

    wish      `stop start help`; `keyword` is the word they sent
    answered  the service that carries it has confirmed it already: we do not
    """

    customer_id: str
    address: str
    wish: str
    keyword: str = ""
    language: str = ""
    answered: bool = False
    verified: str = "none"
    brand: str = ""


class DeliveryReported(Event, frozen=True, kw_only=True):
    """A carrier says what became of a message of ours. `status` is its own word, such as `delivered` or `failed`.

    recipients  of a mail: addresses that the report may be about, `address` among them
    proof       that stood in the header of the mail, which who knows only its Message-ID does not know
    """

    customer_id: str
    address: str
    message_id: str
    status: str
    error_code: str = ""
    recipients: list[str] = []
    proof: str = ""
