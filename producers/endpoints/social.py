"""Declares the endpoints of social networks.

`social_meta`: Messenger, Instagram and page comments. `social_x`: direct messages and mentions on X.

Meta: subscribe `<DESKSTREAM_PUBLIC_URL>/v1/social/meta` to `messages`, `messaging_postbacks`, `feed` (and `comments`
for Instagram), with one of DESKSTREAM_SOCIAL_VERIFY_TOKENS as verify token. The token is no app secret: Meta writes it
into the address that it calls. X: register `<DESKSTREAM_PUBLIC_URL>/v1/social/x`; its checks are answered with the
first of DESKSTREAM_SOCIAL_X_SECRETS, so put the new consumer secret first when you change it.
"""

from __future__ import annotations

from producers.channels import social_meta, social_x
from producers.channels.social import CHANNEL
from producers.endpoint import Delivery, WebhookEndpoint

__all__ = ["ENDPOINTS"]

#: Without the times that real ones have: those of an example would be stale a week later.
_META = (
    b'{"object":"page","entry":[{"id":"1001","messaging":[{"sender":{"id":"2002"},"recipient":{"id":"1001"},'
    b'"message":{"mid":"m_1","text":"Where is my parcel?"}}]}]}'
)
_X = (
    b'{"for_user_id":"1001","direct_message_events":[{"type":"message_create","id":"3003",'
    b'"message_create":{"target":{"recipient_id":"1001"},"sender_id":"2002",'
    b'"message_data":{"text":"Where is my parcel?"}}}],"users":{"2002":{"name":"Ann","screen_name":"ann"}}}'
)

ENDPOINTS = (
    WebhookEndpoint(
        process="social",
        name="social-meta",
        path="/v1/social/meta",
        channel=CHANNEL,
        secrets="social_secrets",
        tokens="social_verify_tokens",
        verify=social_meta.verify,
        proof=social_meta.HEADER,
        signed_at=social_meta.signed_at,
        normalise=social_meta.normalise,
        challenge=social_meta.challenge,
        summary="Messages, comments and posts on our pages, in batches, as Meta sends them.",
        example=Delivery("POST", "https://hooks.example/v1/social/meta", body=_META),
    ),
    WebhookEndpoint(
        process="social",
        name="social-x",
        path="/v1/social/x",
        channel=CHANNEL,
        secrets="social_x_secrets",
        verify=social_x.verify,
        proof=social_x.HEADER,
        signed_at=social_x.signed_at,
        normalise=social_x.normalise,
        challenge=social_x.challenge,
        summary="Direct messages and mentions, as X sends them.",
        example=Delivery("POST", "https://hooks.example/v1/social/x", body=_X),
    ),
)
