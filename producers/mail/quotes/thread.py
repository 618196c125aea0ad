"""Says what the head of a mail tells about the mails before it."""

from __future__ import annotations

from dataclasses import dataclass

from producers.mail.quotes import wording

__all__ = ["NOTHING_KNOWN", "Thread", "bare_subject", "is_answer", "is_finnish_answer"]

_REPLY, _FORWARD = wording.entries(wording.REPLY_PREFIXES), wording.entries(wording.FORWARD_PREFIXES)
_MOST_PREFIXES, _LONGEST_PREFIX = 8, 20
_COUNT = "[]()0123456789 *"


@dataclass(frozen=True, slots=True)
class Thread:
    """What the head of a mail says about the mails before it.

    subject    as it stands in the mail; '' where there is none or it is not known
    answers    true, when the mail is a reply; None, when that is not known
    forwarded  true, when a block of mail headers begins the content
    sender     the customer's own address
    name       the customer's own name
    """

    subject: str = ""
    answers: bool | None = None
    forwarded: bool = False
    sender: str = ""
    name: str = ""

    @classmethod
    def of(cls, subject: str, sender: str, name: str = "", *, refers: bool) -> Thread:
        """Returns the thread of a mail with this subject; `refers`: it has In-Reply-To or References."""
        prefix = _prefix(subject)[0]
        return cls(subject, refers or prefix in _REPLY, prefix in _FORWARD, sender, name)

    def names(self) -> frozenset[str]:
        """Returns the words of the customer's name, in small letters, those of the address included."""
        local = self.sender.partition("@")[0].replace(".", " ").replace("_", " ").replace("-", " ")
        return frozenset(
            f"{self.name} {self.name.replace(' ', '')} {local}".lower().replace(",", " ").replace('"', " ").split()
        )


NOTHING_KNOWN = Thread()


def bare_subject(subject: str) -> str:
    """Returns a subject without "Re:" and the like, in small letters."""
    for _ in range(_MOST_PREFIXES):
        prefix, rest = _prefix(subject)
        if prefix not in _REPLY and prefix not in _FORWARD:
            break
        subject = rest
    return " ".join(subject.split()).casefold()


def is_answer(subject: str) -> bool:
    """Returns true for a subject that begins with "Re:" in some language."""
    return _prefix(subject)[0] in _REPLY


def is_finnish_answer(subject: str) -> bool:
    """Returns true for a subject that begins with "VS:", which answers in Finnish, and forwards in Norwegian."""
    return _prefix(subject)[0] == "vs"


def _prefix(subject: str) -> tuple[str, str]:
    """Returns what stands before the first colon, in small letters and without a count, and what stands behind it."""
    head = subject[:_LONGEST_PREFIX].replace("：", ":")
    at = head.find(":")
    if at < 0:
        return "", subject
    return head[:at].strip().rstrip(_COUNT).rstrip(".").lower(), subject[at + 1 :]
