"""Mails to events on one core: plain ones beside the standard library's own way to the same words, and real sizes.

The mails are what a support mailbox gets: replies with a quote and a signature, in four languages and the charsets of
their countries, with the headers of three relays, DKIM and ARC. The peer parses with `policy.default`, takes the
decoded headers and `get_body().get_content()`; it strips no quote, masks no card, finds no ticket. Mails of real sizes,
with pages and files, are those of `tests.benchmarks.real_mails`.
"""

from __future__ import annotations

import base64
import email
import email.policy
import time
from collections.abc import Callable
from email.message import EmailMessage

from producers.mail import event as channel
from tests.benchmarks import real_mails
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench

MAILS, REPEATS = 400, 5
NOW = 1772445600_000000  # 2026-03-02T10:00:00Z

_WORDS = {
    "en": (
        "Re: Your order 10023 is on its way",
        "Ann Lee",
        "Hello,\n\nthe parcel was announced for Friday, and it is Monday now. The page of the carrier says that it is still in\n"
        "the depot. Could you please ask them what is going on? I need the lamp before the weekend.\n\nKind regards\nAnn\n",
        "-- \nAnn Lee\nExample Ltd, 1 High Street\n+44 20 7946 0000\n",
        "On Mon, Mar 2, 2026 at 9:00 AM Support <support@support.example> wrote:\n",
        "> Dear Ann,\n>\n> your order has left our warehouse this morning. You will get it on Friday.\n>\n> Your support team\n",
    ),
    "zh-Hans": (
        "回复：您的订单 10023 已发货",
        "李雷",
        "您好，\n\n包裹原定周五送达，现在已经是周一了，物流信息还停留在中转站。\n麻烦帮我问一下快递公司是什么情况，我周末之前需要用到这盏灯。\n\n谢谢\n",
        "发自我的iPhone\n",
        "客服 <support@support.example> 于2026年3月2日周一 17:00写道：\n",
        "> 您好，\n>\n> 您的订单已于今天上午从仓库发出，预计周五送达。\n>\n> 客服团队\n",
    ),
    "zh-Hant": (
        "Re: 您的訂單 10023 已出貨",
        "陳美玲",
        "您好，\n\n包裹原本說週五會到，現在已經週一了，物流資訊還停在轉運中心。\n麻煩幫我問一下物流公司是什麼狀況，我週末前需要用到這盞燈。\n\n謝謝\n",
        "-- \n陳美玲\n範例股份有限公司\n",
        "客服 <support@support.example> 於 2026年3月2日 週一 下午5:00寫道：\n",
        "> 您好，\n>\n> 您的訂單已於今天上午出貨，預計週五送達。\n>\n> 客服團隊\n",
    ),
    "ja": (
        "Re: ご注文 10023 を発送しました",
        "佐藤健",
        "お世話になっております。\n\n金曜日に届く予定でしたが、月曜日になってもまだ届いておりません。\n運送会社のページでは営業所に保管中とのことです。\n"
        "週末までに必要ですので、ご確認をお願いいたします。\n\nよろしくお願いいたします。\n",
        "-- \n佐藤 健\n株式会社サンプル\nTEL 03-0000-0000\n",
        "2026年3月2日(月) 18:00 サポート <support@support.example>:\n",
        "> 佐藤様\n>\n> 本日、商品を発送いたしました。金曜日にお届けの予定です。\n>\n> サポート\n",
    ),
}
#: Charset and transfer encoding, as mailers of these countries send them.
_FORMS = {
    "en": [("utf-8", "quoted-printable"), ("us-ascii", "7bit"), ("utf-8", "7bit")],
    "zh-Hans": [("utf-8", "base64"), ("gb18030", "base64"), ("gb2312", "8bit")],
    "zh-Hant": [("utf-8", "base64"), ("big5", "base64")],
    "ja": [("utf-8", "base64"), ("iso-2022-jp", "7bit"), ("utf-8", "8bit")],
}


def figures(bench: Bench) -> list[Figure]:
    mails = [_mail(number) for number in range(MAILS)]
    ours = _rate(mails, lambda raw: channel.normalise(raw, now=NOW))
    peer = _rate(mails, _with_the_standard_library)
    real = _rate(real_mails.mails(MAILS), lambda raw: channel.normalise(raw, now=NOW))
    return [
        Figure("email_normalise_per_s", round(ours), "mails/s", at_least=1500),
        Figure("email_real_per_s", round(real), "mails/s", at_least=2000),
        Figure("email_standard_library_per_s", round(peer), "mails/s"),
        Figure("email_vs_standard_library", round(ours / peer, 2), "ratio", at_least=1.0),
    ]


def _rate(mails: list[bytes], take: Callable[[bytes], object]) -> float:
    """Mails per second of processor time, the best of some rounds: one core, whatever else runs on the machine."""
    best = 0.0
    for _ in range(REPEATS):
        began = time.process_time()
        for raw in mails:
            take(raw)
        best = max(best, len(mails) / (time.process_time() - began))
    return best


def _with_the_standard_library(raw: bytes) -> tuple[str, ...]:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    names = ("from", "to", "subject", "date", "message-id", "in-reply-to", "references")
    body = mail.get_body(("plain", "html"))
    return (*(str(mail[name]) for name in names), body.get_content() if body is not None else "")


def _mail(number: int) -> bytes:
    language = list(_WORDS)[number % len(_WORDS)]
    charset, encoding = _FORMS[language][number // len(_WORDS) % len(_FORMS[language])]
    subject, name, words, signature, wrote, quote = _WORDS[language]
    text = f"{words}\n{signature if number % 3 else ''}\n{wrote}\n{quote * (1 + number % 4)}"
    body = text.encode(charset, "replace")
    if encoding == "base64":
        body = base64.encodebytes(body)
    elif encoding == "quoted-printable":
        body = body.replace(b"=", b"=3D")
    relays = "".join(
        f"Received: from relay{hop}.example.org (relay{hop}.example.org [192.0.2.{hop}])\n"
        f"\tby mx{hop}.support.example (Postfix) with ESMTPS id {number:06X}{hop}\n"
        f"\tfor <support@support.example>; Mon,  2 Mar 2026 09:3{hop}:00 +0000 (UTC)\n"
        for hop in range(3)
    )
    head = (
        f"Return-Path: <customer{number}@example.org>\n"
        f"Delivered-To: support@support.example\n{relays}"
        f"ARC-Seal: i=1; a=rsa-sha256; t=1772443800; cv=none; d=example.org; s=arc;\n        b={'Zm9vYmFy' * 20}\n"
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail;\n"
        f"        h=from:to:subject:date:message-id; bh={'QUJD' * 11}=;\n        b={'c2lnbmF0dXJl' * 14}\n"
        f"From: {_word(name)} <customer{number}@example.org>\n"
        f"To: {_word('Support')} <support+ABCDEFGHIJKL-{number + 1}@support.example>\n"
        f"Subject: {_word(subject)}\n"
        f"Date: Mon, 2 Mar 2026 09:30:{number % 60:02d} +0000\n"
        f"Message-ID: <bench.{number}@mail.example.org>\n"
        f"In-Reply-To: <ds.ABCDEFGHIJKL-{number + 1}.x@support.example>\n"
        f"References: <first.{number}@mail.example.org>\n <ds.ABCDEFGHIJKL-{number + 1}.x@support.example>\n"
        f"X-Mailer: Example 16.0\nAccept-Language: en-GB\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    return head.encode() + body


def _word(text: str) -> str:
    return text if text.isascii() else f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="
