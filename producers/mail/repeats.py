"""Notices machines that say the same under ever new addresses: the one loop that neither headers nor threading give away.

A ticket system that answers our acknowledgement with a new ticket, from a new address, to the address in its address book,
without a word about what it answers, is a new customer each time. What it does give away: the text is the same, and says what
machines say. In memory, of this process: a restart begins to count anew.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from hashlib import blake2b

from schemas.clock import MICROS

__all__ = ["HEADER", "RepeatedTexts"]

#: The header of the event, for the loop guards. A mail's own header of this name is not kept.
HEADER = "x-deskstream-repeated-text"
#: So many other addresses of the domain sent this text within the window.
_OTHERS, _WINDOW_MICROS = 3, 180 * 60 * MICROS
_TEXTS, _READ_CHARACTERS, _SHORTEST = 20_000, 500, 20
_VARYING = re.compile(r"[\d@#<]+")
#: Where everybody has a mailbox: a template that many people send is no machine.
_EVERYBODYS = """
gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com yahoo.co.jp aol.com icloud.com me.com mac.com gmx.de
gmx.net gmx.at gmx.ch web.de t-online.de freenet.de orange.fr free.fr laposte.net sfr.fr wanadoo.fr libero.it virgilio.it mail.ru
yandex.ru rambler.ru qq.com 163.com 126.com sina.com foxmail.com naver.com daum.net hanmail.net docomo.ne.jp ezweb.ne.jp
softbank.ne.jp uol.com.br bol.com.br terra.com.br proton.me protonmail.com zoho.com comcast.net btinternet.com sky.com ziggo.nl
kpnmail.nl wp.pl o2.pl onet.pl interia.pl seznam.cz bluewin.ch telia.com
"""
_MAIL_SERVICES = frozenset(_EVERYBODYS.split())
#: What machines say of themselves or of what they got. People say it, too; they do not say it four times in the same words.
_SAID_BY_MACHINES = re.compile(
    r"automat|automát|auto-?(?:reply|respon)|out of (?:the )?office|\baway (?:from|until)|on (?:vacation|holiday|leave)\b"
    r"|not (?:in the office|available)|not reply\b|no-?reply|(?:ticket|case|request|reference)[ -]?(?:number|no\b|id\b)"
    r"|your (?:request|ticket|case|e-?mail|message|number|enquiry|inquiry)\b|(?:been|was) (?:received|created|opened)"
    r"|thank you for (?:contacting|your)|abwesen|nicht im (?:büro|haus)|im urlaub|eingegangen|ihre (?:anfrage|nachricht|e-mail)"
    r"|(?:vorgangs|ticket|bearbeitungs)nummer|absen(?:t|ce)\b|été (?:reçu|enregistr)|votre (?:demande|message)"
    r"|fuera de (?:la )?oficina|su (?:solicitud|mensaje)|sua (?:solicitação|mensagem)|fora do escrit|fuori (?:sede|ufficio)"
    r"|la (?:sua|tua) richiesta|afwezig|uw (?:bericht|verzoek|aanvraag)|frånvar|fravær|nieobecn|otrzymaliśmy|nepřítom|poissa"
    r"|автоматич|автоответ|ваш[еа] (?:обращени|заявк|письмо|сообщени)|αυτόματ|otomatik|自动|自動|不在|受け付け|承りました|已收到您"
    r"|我们已收到|자동|부재|접수"
)


class RepeatedTexts:
    """Remembers the digests of texts, the last 20,000, each with the addresses that sent it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, dict[bytes, int]] = OrderedDict()

    def is_repeated(self, sender: str, subject: str, text: str, now: int) -> bool:
        """Notes a mail; returns true when three other addresses of its domain said the same, as machines do, in three hours."""
        sender = sender.lower()
        domain = sender.rpartition("@")[2]
        said = _bare(text[:_READ_CHARACTERS])
        if domain in _MAIL_SERVICES or len(said) < _SHORTEST:
            return False
        key, address = _digest(f"{domain}\n{_bare(subject)}\n{said}"), _digest(sender)
        # An entry is taken out while it is changed: of two threads with one text, one begins to count anew.
        senders = {each: at for each, at in self._seen.pop(key, {}).items() if now - _WINDOW_MICROS < at}
        others = len(senders) - (address in senders)
        if others < _OTHERS or address in senders:
            senders[address] = now
        self._seen[key] = senders
        if len(self._seen) > _TEXTS:
            self._seen.popitem(last=False)
        return others >= _OTHERS and _SAID_BY_MACHINES.search(said) is not None


def _bare(text: str) -> str:
    """Returns a text without what differs from one mail of a machine to the next: numbers, addresses, tokens."""
    words = text.lower().split()
    if _VARYING.search(text):
        # a word in Latin letters with a digit is a number or an id; Chinese and Japanese have a sentence there
        words = [
            word if not varies else _VARYING.sub("", word)
            for word in words
            if not (varies := _VARYING.search(word)) or not word.isascii()
        ]
    return " ".join(words)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
