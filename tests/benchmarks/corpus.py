"""The events that every contender gets: believable customer messages in four languages, with follow-ups.

Seeded, so that each run and each contender folds the same log. Two in three messages open a ticket, one in three
continues a conversation of the same customer on a channel that threads by address.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from schemas.events import MessageReceived
from schemas.identity import canonical_customer_id, customer_tag, event_id

START = 1_780_000_000_000_000
_TEXTS = (
    ("en", "My card was declined", "Hi, I tried to pay for my order {order} three times and my card was declined each time although there is money on the account. Could you tell me what is wrong? I need the shoes before Friday. Thanks, {name}"),
    ("en", "Where is my parcel?", "Hello team, the tracking page has not moved for six days and says the carrier has a delay. Order {order}. When will my parcel arrive? Kind regards, {name}"),
    ("en", "Return", "I would like to send the jacket back, it is too small. How do I get a return label for {order}? I could not find it on your page. {name}"),
    ("en", "Cannot log in", "I forgot my password and the reset mail never arrives. I looked into the spam folder too. Please help, {name}"),
    ("zh-Hans", "付款失败", "你好,我的订单{order}付款失败了,银行卡被拒绝。请问怎么办?谢谢 {name}"),
    ("zh-Hans", "包裹没有收到", "我的快递一直没有更新,已经六天了,订单号{order},请帮我查一下物流。"),
    ("zh-Hant", "退貨", "您好,外套太小了,我想退貨,請問訂單{order}如何申請退貨?謝謝 {name}"),
    ("ja", "荷物が届きません", "注文番号{order}の商品がまだ届きません。配送状況を確認していただけますか。よろしくお願いいたします。{name}"),
    ("ja", "返品したい", "サイズが合わないので返品したいです。返品の方法を教えてください。{order} {name}"),
)  # fmt: skip
_CHANNELS = ("email", "email", "form", "sms", "social", "chat")


def messages(count: int, seed: int = 7, at: int = START, step: int = 50_000) -> Iterator[MessageReceived]:
    """`count` customer messages, `step` micros apart."""
    dice = random.Random(seed)
    customers = max(1, count // 2)
    for number in range(count):
        who = dice.randrange(customers)
        language, subject, text = _TEXTS[who % len(_TEXTS)]
        channel = _CHANNELS[who % len(_CHANNELS)]
        order, name = f"DS-{100000 + who}", f"Customer {who}"
        address = f"customer{who}@example.org" if channel in ("email", "form", "chat") else f"+1555{who:07d}"
        customer = canonical_customer_id("email" if "@" in address else "tel", address)
        now = at + number * step
        body = text.format(order=order, name=name)
        yield MessageReceived(
            event_id=event_id("bench", str(seed), str(number)),
            occurred_at=now,
            received_at=now,
            customer_tag=customer_tag(customer),
            channel=channel,
            source="bench",
            customer_id=customer,
            address=address,
            customer_name=name,
            subject=subject if channel in ("email", "form") else "",
            text=body,
            full_text=body,
            message_id=f"<{number}.{seed}@example.org>" if channel == "email" else "",
            recipients=["support@support.example"],
            headers={"return-path": f"<{address}>"} if channel == "email" else {},
            language=language if channel == "form" else "",
            order_number=order,
        )
