"""Recognises a signature at the end of the words, below a delimiter or a ruled line.

Order sheets, forms and paragraphs between dashes look much like it, so every line must be one of a signature: a name, an
office, a way to reach somebody, a disclaimer. A question, a postscript, a list, a sentence or a label like "Size:" keep it all.
"""

from __future__ import annotations

import re

from producers.mail.quotes import signature_words as words
from producers.mail.quotes.app_lines import is_app_line
from producers.mail.quotes.thread import Thread
from producers.mail.quotes.wording import any_of, any_word_of, entries

__all__ = ["DRAWN", "drop_signature", "is_delimiter", "is_drawn"]

#: What a delimiter or a ruled line may begin with.
DRAWN = "-–—－ー_=*~#+━─═＝＿＊～・…◆◇■□☆★┏┓┗┛┌┐└┘|<>○●◎♪:：."
_DELIMITERS = frozenset(("--", "—", "---", "－－", "ーー", "––", "__", "___"))
_RULE = re.compile(r"[-=_*~#+━─═＝－＿＊～・…◆◇■□☆★┏┓┗┛┌┐└┘|<>○●◎♪:：.。\s]{8,}$")
_MOST_LINES, _MOST_FRAMED, _LONGEST_LINE, _LONGEST_DISCLAIMED = 20, 14, 160, 3000
#: Words of an office: "Responsable des achats".
_LONGEST_OFFICE = 4
#: A way to reach somebody, or what companies must state.
_CONTACT = re.compile(
    r"[@＠〒]|https?:|www\.|\b\w{2,}\.(?:com|org|net|example|de|fr|es|it|nl|pl|se|dk|no|fi|cz|jp|cn|tw|kr|ru|tr|uk|eu|br|pt)\b"
    r"|\+?\d[\d\s()/.\-–]{6,}\d|株式会社|有限公司|㈜|주식회사"
    r"|\b(?:tel|fax|phone|mobile?|e-?mail|url|gmbh|ltd|inc|llc|s\.?a\.?r\.?l|s\.?r\.?l|s\.l|lda|b\.?v|s\.?p\.?a|oyj?|a/s|sp\.\sz\so|s\.r\.o|a\.ş)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\s*([^\W\d_][^:：|]{0,30}?)\s?[:：](?!//)\s*(\S?)")
_CONTACT_LABELS = re.compile(any_of(words.CONTACT_LABELS) + r"[\s.]{0,3}$", re.IGNORECASE)
_INTRODUCES = re.compile(any_word_of(words.INTRODUCES), re.IGNORECASE)
_GIVES = re.compile(any_word_of(words.GIVES, stems=True), re.IGNORECASE)
_REQUESTS, _ASKS = entries(words.REQUESTS) | entries(words.ASKS), entries(words.ASKS)
_OWN = entries(words.OWN)
_REQUEST_WITHOUT_BLANKS = re.compile(
    r"ください|下さい|です[。が]|ます[。が]|ません|たい|請|请|麻烦|麻煩|我要|我想|需要|没有|沒有|不|주세요|합니다|입니다|싶|않"
)
_DISCLAIMS = re.compile(
    r"confidential|intended\s(?:recipient|solely|only)|privileged|disclaimer|environment\sbefore|before\sprinting|virus|unsubscribe|company\s(?:number|registration)|registered\s(?:in|office)"
    r"|vertraulich|adressat|unbefugt|ausdrucken|confidentiel|destinataire|imprimer|confidencial|destinatari[oa]|imprimir|riservat|vertrouwelijk|geadresseerde|poufn|adresat|конфиденциальн"
    r"|konfidentiel|fortrolig|konfidensiell|luottamuksel|důvěrn|gizli|기밀|비밀|機密|秘密|本邮件|本郵件|本メール|保密",
    re.IGNORECASE,
)
#: A postscript, or an item of a list.
_ADDED = re.compile(
    r"\s*(?:\d{1,4}\s?(?:[x×]\s)?\s?(?!(?:bis|ter)?,?\s?(?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|route|cours|street|road|улица)\b)(?-i:[a-zа-я]{3})|(?:p\.?\s?p?\.?\s?s\b\.?|n\.?b\b\.?|з\.?ы|追伸|又及|附言|추신)|[-*•·>＞→✓☑☐□■]\s|\d{1,3}[.)、]\s?\D|[①-⑳])",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!。！;:：]\s*$")
_CLOSING = re.compile(any_word_of(words.CLOSINGS), re.IGNORECASE)
_LOWER_START = re.compile(r"[a-zß-öø-ÿа-яё]")
_PARTICLES = entries(words.PARTICLES)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{3,100}")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def is_drawn(line: str) -> bool:
    """Returns true for a line that is a delimiter or a ruled line."""
    bare = line.strip()
    return bare in _DELIMITERS or (8 <= len(bare) <= 200 and _RULE.match(bare) is not None)


def is_delimiter(line: str) -> bool:
    """Returns true for the line that mailers and people put above a signature."""
    return line.strip() in _DELIMITERS


def drop_signature(kept: list[str], floor: int, drawn: list[int], thread: Thread) -> bool:
    """Removes a signature at the end of the words from `floor` on; returns false when there is none.

    `drawn` are the indexes of delimiters and ruled lines among the words. Words between two of them stay.
    """
    framed = len(drawn) == 2 and drawn[-1] == len(kept) - 1 and not is_delimiter(kept[-1])
    if len(drawn) != 1 and not framed:
        return False
    top = drawn[0]
    if len(kept) - top > _MOST_LINES:
        return False
    block = [line for line in kept[top + 1 : -1 if framed else None] if line.strip()]
    above = [line for line in kept[floor:top] if line.strip()]
    if (
        len({address.lower() for line in block if "@" in line for address in _ADDRESS.findall(line[:_LONGEST_LINE])})
        > 1
    ):
        return False  # several people: a list
    if is_delimiter(kept[top]):
        is_one = _is_signature(block, above, thread, exact=kept[top] == "-- ")
    else:
        is_one = _is_contact_block(block, above, framed=framed)
    if is_one:
        del kept[top:]
    return is_one


def _is_signature(block: list[str], above: list[str], thread: Thread, *, exact: bool) -> bool:
    """Returns true for a signature below a delimiter.

    Mailers put a blank behind their delimiter (`exact`), people do not: below theirs there must be a name and a way to
    reach somebody, or the sender's own name.
    """
    lines = block[: _from_disclaimer(block)]
    if not all(map(_may_belong, lines)):
        return False
    if exact:
        if above and above[-1].rstrip()[-1] in ":：" and not _CLOSING.search(above[-1]):
            return False  # "My new address:"
        return not any(_is_sentence(line) and not _is_disclaimer(line) for line in lines)
    if not lines:
        return True
    has_contacts = any(map(_CONTACT.search, lines[1:])) and not any(character.isdigit() for character in lines[0])
    if not has_contacts and thread.names().isdisjoint(lines[0].lower().replace(",", " ").split()):
        return False
    if _announces(above) or _LABEL.match(lines[0]):
        return False
    office = _is_office(lines, thread)
    return all(_is_named(line, has_contacts) for line in (lines[:1] + lines[2:] if office else lines))


def _is_office(lines: list[str], thread: Thread) -> bool:
    """Returns true when the second line may be an office in small letters: right below the sender's whole name, above contacts."""
    name = lines[0].lower().replace(",", " ").split()
    if len(name) < 2 or not thread.names().issuperset(name) or sum(map(_has_contact, lines[2:])) < 2:
        return False
    return len(lines[1].split()) <= _LONGEST_OFFICE and not (
        _requests(lines[1]) or _SENTENCE_END.search(lines[1]) or any(map(str.isdigit, lines[1]))
    )


def _has_contact(line: str) -> bool:
    return _CONTACT.search(line[:300]) is not None


def _is_contact_block(block: list[str], above: list[str], *, framed: bool) -> bool:
    """Returns true for ways to reach somebody below a ruled line, which stands right below a closing."""
    if not 1 <= len(block) <= _MOST_FRAMED or not above or _announces(above):
        return False
    closes = _CLOSING.search(above[-1][-60:]) is not None
    if not closes and not (_CJK.search(above[-1]) and above[-1].rstrip()[-1] in "。！"):
        return False
    contacts = sum(map(_has_contact, block))
    if contacts < (1 if framed else 2) or _LABEL.match(block[0]):
        return False
    return all(_may_belong(line) and _is_named(line, True) for line in block)


def _announces(above: list[str]) -> bool:
    """Returns true when the last words before the delimiter speak of what is below."""
    if not above:
        return True
    if is_app_line(above[-1]):
        return False
    last = above[-1].rstrip()
    if last[-1] in ":：" or any(
        _INTRODUCES.search(line[-200:]) for line in above[-3:] if line.rstrip()[-1] not in "?？"
    ):
        return True
    return last[-1] not in ".!。！?？" and not _CLOSING.search(last) and _GIVES.search(last[-200:]) is not None


def _from_disclaimer(block: list[str]) -> int:
    """Returns the index of the first line that is a long disclaimer; it and all that follows belong to the signature."""
    for index, line in enumerate(block):
        if len(line) > 60 and _is_disclaimer(line):
            return index
    return len(block)


def _is_disclaimer(line: str) -> bool:
    """Returns true for a line that disclaims, and in which nobody speaks of themselves."""
    return _DISCLAIMS.search(line[:_LONGEST_DISCLAIMED]) is not None and _OWN.isdisjoint(line.lower().split())


def _requests(line: str) -> bool:
    """Returns true for a line with a word that requests have, and names have not."""
    if not _REQUESTS.isdisjoint(line.lower().replace(",", " ").replace(".", " ").split()):
        return True
    return not line.isascii() and _REQUEST_WITHOUT_BLANKS.search(line) is not None


def _is_sentence(line: str) -> bool:
    """Returns true for a line below a mailer's delimiter that is a request; names may hold one of its words, too."""
    if _CJK.search(line) and (line.rstrip()[-1] == "。" or _REQUEST_WITHOUT_BLANKS.search(line)):
        return _CLOSING.search(line) is None
    return len(line.split()) > 2 and _requests(line)


def _may_belong(line: str) -> bool:
    if len(line) > _LONGEST_LINE or "?" in line or "？" in line or "¿" in line or _ADDED.match(line):
        return False
    if ":" not in line and "：" not in line:
        return True
    label = _LABEL.match(line)
    return label is None or _CONTACT_LABELS.match(label[1].strip()) is not None or _DISCLAIMS.search(line) is not None


def _is_named(line: str, has_contacts: bool) -> bool:
    """Returns true for a line of names: no sentence, no request, every word of it in capitals or a particle."""
    if _is_disclaimer(line):
        return True
    if not _ASKS.isdisjoint(line.lower().split()):
        return False
    if _CONTACT.search(line) or _LABEL.match(line):
        return True
    if _CLOSING.search(line) and len(line.split()) <= 4:
        return True
    if _requests(line) or _SENTENCE_END.search(line):
        return False
    if _CJK.search(line):
        return has_contacts and len(line.strip()) <= 40
    words = [word.strip("()|,.-–/&\"'") for word in line.split()]
    if len(words) > 8 or (not has_contacts and any(character.isdigit() for character in line)):
        return False
    return not any(word and _LOWER_START.match(word) and word.casefold() not in _PARTICLES for word in words)
