"""Recognises the block of mail headers that a mailer puts above an unquoted mail, and decides if it ends the reply.

Forms, and mails that customers paste, look much like it. So points are given for what mailers do and people do not, and
a block cuts off what is below only with two of them:

| points | for                                                                                        |
|--------|--------------------------------------------------------------------------------------------|
| 3      | the mailer's own mark in HTML, or a line of "Original message" right above                   |
| 2      | a line of underscores right above; 1 for another ruled line                                  |
| 1      | sender, date, recipient and subject are all there; -1 if only three of them are                |
| 1      | the label of the date is Outlook's ("Sent")                                                  |
| 1      | the mail is a reply; -1 if it is none                                                        |
| 1      | the subject is that of the mail, a reply; -1 if it is another                                |
| 1      | the subject in it begins with "Re:"                                                          |
| 1      | what is below begins as mails do                                                             |
| -1     | its date has no time of day                                                                  |
| -2     | its sender is the customer: a form of a web site, or a mail of the customer's own            |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from producers.mail.quotes import attribution, wording
from producers.mail.quotes.thread import Thread, bare_subject, is_answer

__all__ = [
    "HeaderBlock",
    "Rule",
    "ends_reply",
    "greets",
    "is_foreign",
    "is_label",
    "read_block",
    "resembles_block",
    "rule_of",
]

_KINDS = {
    "".join(word.split()): kind
    for kind, table in wording.LABELS.items()
    for word in table.replace("\n", "|").split("|")
    if word.strip()
}
_LONGEST_LABEL = 24
_AROUND_LABEL = " \t\u00a0\u3000*_"
#: A label without a colon, as eM Client writes below its line.
_BARE = re.compile(r"(From|To|Cc|Date|Subject|Von|An|Datum|Betreff|De|À|Objet|Fecha|Para|Asunto)\s+(\S.*)$")
_MOST_LINES, _LONGEST_LINE, _MOST_CONTINUED = 20, 1000, 3
_DASHES = r"[-_=－—–‐─]{2,}"
_ORIGINAL = re.compile(
    rf"\s*{_DASHES}[\s\u00a0]{{0,3}}{wording.any_of(wording.ORIGINAL)}[\s\u00a0]{{0,3}}:?{_DASHES}\s*$", re.IGNORECASE
)
_RULED = re.compile(r"\s*(?:_{10,}|[-=－—–‐─]{10,})\s*$")
_GREETS = re.compile(
    rf"[\s>]{{0,6}}(?:{wording.any_of(wording.GREETINGS)}(?![^\W\d_])|{wording.any_of('您好|你好|尊敬的|お世話|안녕하세')})",
    re.IGNORECASE,
)
_ADDRESSES_SOMEBODY = re.compile(r"[^\s,，、!！:：][^,，、!！:：.。?？]{0,60}(?:[,，、!！:：]|様|さま|さん|님)$")
_NEEDED = 2


@dataclass(slots=True)
class HeaderBlock:
    """A header block: the kinds of its labels with their values, and the index of the first line below it."""

    values: dict[str, str] = field(default_factory=dict)
    end: int = 0

    def is_one(self) -> bool:
        """Returns true when at least sender, date, and recipient or subject are there, with a date in the date."""
        date = self.values.get("sent") or self.values.get("date") or ""
        if "from" not in self.values or not ("to" in self.values or "subject" in self.values):
            return False
        return attribution.date_in(date) is not None or attribution.time_in(date)


@dataclass(frozen=True, slots=True)
class Rule:
    """A line that may stand above a header block: how many points it gives, and if it speaks of an original message."""

    points: int
    original: bool


def rule_of(line: str) -> Rule | None:
    """Returns the rule that a line is, None for another line."""
    if len(line) > 200:
        return None
    line = line.replace("&nbsp;", " ")
    if _ORIGINAL.match(line):
        return Rule(3, original=True)
    if _RULED.match(line):
        return Rule(2 if line.strip().startswith("_" * 30) else 1, original=False)
    return None


def is_label(line: str) -> bool:
    """Returns true for a line that begins with the label of a mail header."""
    return len(line) <= _LONGEST_LINE and _label(line, bare=False) is not None


def read_block(lines: list[str], index: int, *, bare: bool = False) -> HeaderBlock:
    """Returns the header block that begins at a line; `bare` labels may lack their colon."""
    block = HeaderBlock(end=index)
    kind, continued, position = "", 0, index
    while position < min(len(lines), index + _MOST_LINES):
        line = lines[position][:_LONGEST_LINE].replace("&nbsp;", " ").replace("\u200e", "")
        found = _label(line, bare=bare)
        if found:
            kind, continued = found[0], 0
            block.values.setdefault(kind, found[1])
            block.end = position + 1
        elif not line.strip(" \t|*-"):
            if not _goes_on(lines, position, bare):
                break
        elif kind and continued < _MOST_CONTINUED and _continues(lines, position, block, bare):
            continued += 1
            block.values[kind] += " " + line.strip()
            block.end = position + 1
        else:
            break
        position += 1
    return block


def _label(line: str, *, bare: bool) -> tuple[str, str] | None:
    if line[:1] == "|":  # a box of bars, as the app of NetEase draws it
        label, _, value = line[1:].partition("|")
        value = value.rstrip(" |")
    else:
        head = line[: _LONGEST_LABEL + 8]
        at = min((at for at in (head.find(":"), head.find("：")) if at > 0), default=len(head))
        label, value = head[:at], line[at + 1 :].lstrip("* \t\u00a0")
    kind = _KINDS.get("".join(label.strip(_AROUND_LABEL).lower().split()))
    if kind is None and bare and (match := _BARE.match(line)):
        kind, value = _KINDS.get(match[1].lower()), match[2]
    return (kind, value.strip()) if kind else None


def _goes_on(lines: list[str], position: int, bare: bool) -> bool:
    """Returns true when another label follows an empty line, as where each stands in its own paragraph of HTML."""
    following = lines[position + 1] if position + 1 < len(lines) else ""
    return bool(following) and _label(following[:_LONGEST_LINE], bare=bare) is not None


def _continues(lines: list[str], position: int, block: HeaderBlock, bare: bool) -> bool:
    """Returns true for a line that goes on with a value: another label follows soon, or the label has no value yet."""
    last = list(block.values.values())[-1]
    if not last:
        return True
    following = lines[position + 1 : position + 1 + _MOST_CONTINUED]
    for line in following:
        if not line.strip():
            return False
        if _label(line[:_LONGEST_LINE], bare=bare):
            return True
    return False


def ends_reply(block: HeaderBlock, lines: list[str], rule: Rule | None, thread: Thread) -> bool:
    """Returns true when a block is certain enough to end the customer's words; the table above says how."""
    values = block.values
    date = values.get("sent") or values.get("date") or ""
    points = rule.points if rule else 0
    points += 1 if "to" in values and "subject" in values else -1
    points += "sent" in values
    points -= not attribution.time_in(date)
    if thread.answers is not None:
        points += 1 if thread.answers else -1
    if (subject := values.get("subject", "")) and thread.subject and thread.answers:
        points += 1 if bare_subject(subject[:300]) == bare_subject(thread.subject[:300]) else -1
    points += is_answer(subject)
    points -= 2 if thread.sender and thread.sender.lower() in values["from"].lower() else 0
    points += _is_mail(lines, block.end)
    return points >= _NEEDED


def is_foreign(block: HeaderBlock, thread: Thread) -> bool:
    """Returns true for a mail under another subject than the one that is read; both may have a ticket's number."""
    theirs = bare_subject(block.values.get("subject", "")[:300].rstrip("; \t"))
    ours = bare_subject(thread.subject[:300])
    if not theirs or not ours or theirs in ours or ours in theirs:
        return False
    return set(theirs.split()).isdisjoint(ours.split())


def resembles_block(lines: list[str], index: int) -> bool:
    """Returns true for lines like those of a header block in a language that is not known."""
    block = [line.strip() for line in lines[index : index + 4]]
    labels = sum(
        0 < max(line.find(":", 0, _LONGEST_LABEL), line.find("：", 0, _LONGEST_LABEL)) < len(line) - 1 for line in block
    )
    return labels >= 3 and any(attribution.date_in(line) or attribution.time_in(line) for line in block)


def _is_mail(lines: list[str], index: int) -> bool:
    """Returns true when the first words below a block greet somebody."""
    for line in lines[index : index + 5]:
        if words := line.strip():
            return greets(words) or _ADDRESSES_SOMEBODY.match(words) is not None
    return False


def greets(line: str) -> bool:
    """Returns true for a line that begins with a greeting."""
    return _GREETS.match(line[:100]) is not None
