"""Recognises the line that a mailer puts above a quote: "On Mon, 2 Mar 2026 at 09:00, Ann <ann@example.org> wrote:".

Mailers of all languages write a date, a time, a name or an address, and most of them a verb, and end with a colon. A line is
recognised by these, not by the order of each mailer. It may be wrapped into four.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from producers.mail.quotes import wording

__all__ = ["Attribution", "date_in", "ending_at", "ends_attribution", "goes_on_behind_bracket", "time_in"]

_MOST_LINES, _LONGEST_LINE, _LONGEST = 4, 300, 500
_ALPHABETIC = r"[^\W\d_]"
#: 2026-03-02, 2.3.26, 2 mar. 2026, (March) 2nd, 2026, 2026年3月2日, 2026. 3. 2.
_DATE = re.compile(
    r"(?:\d{4}\s?[年년./-]\s?\d{1,2}\s?[月월./-]\s?\d{1,2}\s?[日일]?|\d{1,2}[./-]\s?\d{1,2}[./-]\s?(?:\d{4}|\d{2})(?!\d)"
    rf"|\d{{1,2}}\.?\s(?:de\s|of\s)?{_ALPHABETIC}{{3,13}}\.?,?\s(?:de\s)?\d{{4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}|\d{{1,2}}-{_ALPHABETIC}{{3,5}}\.?-\d{{4}}"
    rf"|\d{{4}}\.\s{_ALPHABETIC}{{3,12}}\.?\s\d{{1,2}}\.?)(?!\d)"
)
_DIGIT = re.compile(r"\d")
_TIME = re.compile(r"\d{1,2}[:.h]\d{2}(?:[:.]\d{2})?(?!\d|\.\d|/)")
_BEFORE_TIME = frozenset("0123456789.:/-")
_ADDRESS_ENDS = re.compile(r"[\s<>@()\[\]\"',;:]")
_BEFORE_ADDRESS = frozenset(" \t\u00a0\u3000<>@()[]\"',;:")
#: The verbs by word; where no blanks stand between words they are searched for.
_VERBS = wording.single_words(wording.WROTE)
_VERBS_WITHOUT_BLANKS = re.compile(wording.any_of("|".join(wording.words_without_blanks(wording.WROTE))))
_QUOTING = re.compile(rf"\W{{0,4}}{wording.any_of(wording.QUOTING)}\s", re.IGNORECASE)
#: What stands before a date that begins the line: a word like "On", the day of the week.
_STARTS = re.compile(
    rf"[^\w<]{{0,8}}(?:{wording.any_of(wording.STARTS)}(?:[\s,]{{1,3}}|(?=\d))(?:{_ALPHABETIC}[\w-]{{1,15}}[.,]{{0,2}}\s{{1,2}}){{0,3}}"
    rf"|(?:{_ALPHABETIC}{{2,15}}[.,]{{1,2}}\s?){{0,2}}|{_ALPHABETIC}{{2,4}}\s)(?=\d)",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    [
        "von",
        "van",
        "der",
        "den",
        "de",
        "da",
        "di",
        "do",
        "dos",
        "del",
        "la",
        "le",
        "el",
        "al",
        "bin",
        "ibn",
        "of",
        "via",
        "for",
        "from",
        "the",
        "und",
        "and",
        "et",
        "e",
        "y",
        "i",
        "at",
        "c/o",
        "für",
        "zu",
        "im",
        "pour",
        "para",
        "per",
    ]
)
_MOST_NAMES = 8
#: "your colleague wrote": a person tells it, no mailer.
_TOLD = wording.single_words(wording.TOLD)
_TOLD_WITHOUT_BLANKS = wording.words_without_blanks(wording.TOLD)
#: A sentence that ends within the line: no mailer writes one.
_SENTENCE = re.compile(rf"(?<={_ALPHABETIC}{{4}})[.!]\s(?!de\s){_ALPHABETIC}{{2}}")
#: Mailers for Windows put them around each word of a date.
_DIRECTIONS = dict.fromkeys((0x200E, 0x200F, 0x202A, 0x202C))
_AROUND = " \t\u00a0*_-–—"


@dataclass(slots=True)
class Attribution:
    """An attribution: how many lines it takes, its text on one line, and if dashes stand around it."""

    lines: int
    text: str
    framed: bool
    #: It begins with the date, or with name and address.
    begins: bool

    def is_complete(self) -> bool:
        """Returns true when it has all that mailers write, so that the mail below needs no marks."""
        if not self.begins or date_in(self.text) is None or not time_in(self.text) or _is_told(self.text):
            return False
        if _verb_in(self.text) is None:
            return self.text.rstrip(":： ").endswith(">")
        return self.framed or _address_in(self.text) is not None


def ends_attribution(line: str) -> bool:
    """Returns true when an attribution may end with this line, which is not empty."""
    last = line[-1]
    if last in ":：" or (last == ">" and "@" in line and line[0].isdigit()):
        return True
    return last in _AROUND and (bare := line.strip(_AROUND)) != "" and (bare[-1] in ":：" or _ends_in_verb(bare))


def goes_on_behind_bracket(line: str) -> bool:
    """Returns true for "> wrote:", the end of an address and of an attribution that a mailer wrapped there."""
    return len(line) <= 60 and line[-1] in ":：" and _ends_in_verb(line[1:].rstrip(":： "))


def _ends_in_verb(text: str) -> bool:
    place = _verb_in(text[-40:])
    return place is not None and place[1] == len(text[-40:])


def _verb_in(text: str) -> tuple[int, int] | None:
    """Returns where the first verb of an attribution stands."""
    if not text.isascii() and (found := _VERBS_WITHOUT_BLANKS.search(text)):
        return found.span()
    small = text.lower()
    for word in small.replace(":", " ").replace(",", " ").split():
        if word in _VERBS:
            start = small.find(word)
            return start, start + len(word)
    return None


def date_in(text: str) -> re.Match[str] | None:
    """Returns the first date in the text."""
    first = _DIGIT.search(text)
    return _DATE.search(text, first.start()) if first else None


def time_in(text: str) -> bool:
    """Returns true when there is a time of day in the text, beside its dates."""
    if "\u200e" in text:
        text = text.translate(_DIRECTIONS)
    return any(time.start() == 0 or text[time.start() - 1] not in _BEFORE_TIME for time in _TIME.finditer(text))


def _is_told(text: str) -> bool:
    """Returns true when a person tells of something, with words that are in no name."""
    words = text.lower().replace("'", " ").replace("’", " ").replace(",", " ").split()
    return not _TOLD.isdisjoint(words) or (not text.isascii() and any(word in text for word in _TOLD_WITHOUT_BLANKS))


def ending_at(lines: list[str], index: int) -> Attribution | None:
    """Returns the attribution whose last line is `lines[index]`; None when there is none.

    The shortest that begins as one is taken, else the shortest that has what belongs to one.
    """
    joined, first_choice = "", None
    for count in range(1, min(_MOST_LINES, index + 1) + 1):
        line = lines[index - count + 1].strip()
        if not line or len(line) > _LONGEST_LINE or (line[0] in ">＞" and count > 1):
            break
        joined = f"{line} {joined}".strip()
        if len(joined) > _LONGEST:
            break
        bare = (joined.translate(_DIRECTIONS) if "\u200e" in joined else joined).strip(_AROUND)
        found = _judged(bare, count, framed=joined[0] in "-_–—" and joined[-1] in "-_–—")
        if found is not None and not _holds_sentence(bare):
            if found.begins:
                return _with_name_above(found, lines, index)
            first_choice = first_choice or found
    return first_choice


def _with_name_above(found: Attribution, lines: list[str], index: int) -> Attribution:
    """Returns the attribution with the line above it, where that is no more than a name and its address."""
    above = lines[index - found.lines].strip() if index >= found.lines else ""
    if above[-1:] == ">" and above[0] not in ">＞" and len(above) <= _LONGEST_LINE and _address_in(found.text) is None:
        address = _address_in(above)
        if address is not None and address[1] == len(above) - 1 and _is_name(above[: address[0]]):
            return Attribution(found.lines + 1, f"{above} {found.text}", found.framed, begins=True)
    return found


def _holds_sentence(joined: str) -> bool:
    if "?" in joined or "？" in joined or "。" in joined:
        return True
    return (". " in joined or "! " in joined) and _SENTENCE.search(joined) is not None


def _begins(joined: str, date: re.Match[str] | None) -> bool:
    """Returns true when a date, or a name with its address, begins the text."""
    if date is None:
        return False
    start = _STARTS.match(joined)
    if start and (date.start() <= start.end() < date.end() or _TIME.match(joined, start.end())):
        return True
    address = _address_in(joined)
    if address is None or date.start() < address[0]:
        return False
    return address[0] <= 80 and _is_name(joined[: address[0]])


def _address_in(text: str) -> tuple[int, int] | None:
    """Returns where the first mail address stands."""
    at = text.find("@", 1)
    if at < 0:
        return None
    start = at
    while start > 0 and at - start < 64 and text[start - 1] not in _BEFORE_ADDRESS:
        start -= 1
    end = _ADDRESS_ENDS.search(text, at + 1)
    stop = end.start() if end else len(text)
    return (start, stop) if start < at and stop > at + 1 else None


def _is_name(words: str) -> bool:
    """Returns true for what may be a name: few words, each with a capital, or of an alphabet without them."""
    parts = [part for word in words.split() if (part := word.strip("\"'()<>[],.:：-–—_*|/&"))]
    if len(parts) > _MOST_NAMES or _is_told(words):
        return False
    return len(parts) <= 1 or not any(part[0].islower() and part not in _PARTICLES for part in parts)


def _judged(joined: str, count: int, *, framed: bool) -> Attribution | None:
    date, address, verb = date_in(joined), _address_in(joined), _verb_in(joined)
    if verb is None:
        if address is None or not _stands_without_verb(joined, joined[address[0] : address[1]]):
            return None
    elif date is None and address is None and not framed:
        return None
    begins = _begins(joined, date)
    if not (begins or _QUOTING.match(joined)):
        places = (date and date.start(), address and address[0], verb and verb[0])
        if not _is_name(joined[: min(place for place in places if place is not None)]):
            return None
    return Attribution(count, joined, framed, begins)


def _stands_without_verb(joined: str, address: str) -> bool:
    """Returns true for a date and an address, as Gmail writes in Russian, or "Quoting" and an address."""
    date = date_in(joined)
    if _begins(joined, date) and time_in(joined):
        return True
    return (date or _QUOTING.match(joined)) is not None and joined.rstrip(":： ").endswith((">", ")", "]", address))
