"""Messages to customers, and facts of their delivery and of the delivery of webhooks."""

from __future__ import annotations

from schemas.events import Attachment, Micros
from schemas.facts.base import Fact


class Outbound(Fact, frozen=True, kw_only=True):
    """A message to a customer, to be delivered exactly as it stands. Id: `outbound_id`.

    kind     `acknowledgement reply transcript survey thanks`, and `help opt_out opt_in` for what SMS keywords say
    first_time  goes to an address that did not prove itself, or to a number or account, that had no acknowledgement yet: counted
    headers  e-mail headers to set (`In-Reply-To`, `References`, `Auto-Submitted`, ...); of `social`, `In-Reply-To` is the
             network's id of the post or comment that is answered
    html     of a mail: the fragment that says what `text` says; its images are `cid:N`, the Nth of `attachments`
    cc, bcc  of a mail: further mailboxes that get it; `bcc` is for the mail server only
    sender   where answers go to: an address, or the number or page of the brand; '' for that of the settings. Beside it
             `sender_name`, which is shown
    window_ends_at  of WhatsApp: until then the text may be sent as it stands; later only `template` (its ContentSid) with
             `template_variables`, where there is one
    """

    outbound_id: str
    ticket_id: str
    kind: str
    channel: str
    address: str
    sender: str = ""
    customer_name: str = ""
    subject: str = ""
    text: str = ""
    locale: str = ""
    message_id: str = ""
    thread_id: str = ""
    headers: dict[str, str] = {}
    causation_depth: int = 0
    first_time: bool = False
    html: str = ""
    attachments: list[Attachment] = []
    cc: list[str] = []
    bcc: list[str] = []
    brand: str = ""
    sender_name: str = ""
    window_ends_at: Micros | None = None
    template: str = ""
    template_variables: dict[str, str] = {}


class DeliveryFact(Fact, frozen=True, kw_only=True):
    """What became of an outbound message. Id: `outbound_id`. `outcome` is `delivered bounced refused`.

    message_key, address_keys  of a mail that was handed over: digests of its Message-ID and of each recipient, by which a
                               report about it is known
    """

    outbound_id: str
    ticket_id: str
    channel: str
    kind: str
    outcome: str
    attempts: int = 1
    detail: str = ""
    brand: str = ""
    message_key: int = 0
    address_keys: list[str] = []


class MailReport(Fact, frozen=True, kw_only=True):
    """A report about a mail of ours, for the delivery sink, which knows what it sent. Id: `event_id`.

    recipients  addresses that it may be about
    proof       that stood in the header of the mail
    status      `failed delayed delivered relayed expanded` of a delivery report (RFC 3464) · `complained feedback` of a feedback
                report (RFC 5965) · `unsubscribed`
    error_code  of a delivery report its status code (RFC 3463), of a feedback report its type
    """

    event_id: str
    ticket_id: str
    message_id: str
    status: str
    error_code: str = ""
    recipients: list[str] = []
    brand: str = ""
    proof: str = ""


class SuppressionFact(Fact, frozen=True, kw_only=True):
    """What is known against writing to an address. Id: `address_key`. `version` is `at`.

    address_key  keyed digest of the address, which stands nowhere in it
    state        `watched temporary permanent released`
    reason       `hard_bounce soft_bounces complaint unsubscribed`; '' of one that is watched
    error_code   that of the report
    since, until  of a suppression; `until` is None when nothing but a release ends it
    unsubscribed  wants no surveys, whatever the state
    bounces      temporary failures that were counted lately
    counted      digests of the mails that were counted: none counts twice
    """

    address_key: str
    state: str
    reason: str = ""
    error_code: str = ""
    since: Micros | None = None
    until: Micros | None = None
    unsubscribed: bool = False
    bounces: int = 0
    counted: list[int] = []
    ticket_id: str = ""
    brand: str = ""


class WebhookDelivered(Fact, frozen=True, kw_only=True):
    """One attempt to hand a fact to a subscribed help desk. Id: `delivery_id, at`.

    delivery_id  the same in every attempt, also after a restart; the receiver gets it as `Deskstream-Delivery`
    fact, fact_id  the kind of the fact (`ticket_fact`, ...) and its own id
    outcome      `delivered retried dead_lettered switched_off`; `at` is when the attempt ended
    status       of the HTTP answer, None when there was none; `attempt` counts from 1 in each run of the sink
    """

    delivery_id: str
    subscription: str
    fact: str
    fact_id: str
    attempt: int
    outcome: str
    status: int | None = None
    seconds: float = 0.0
    detail: str = ""
