"""An outbound message as an e-mail: what a mail program reads, and what nobody can smuggle in."""

import email
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.delivery.adapter import Undeliverable
from sinks.delivery.mail import address, compose, copies
from tests.support.sinks.examples import NOW, outbound

SENDER = address("support@support.example")
TICKET = "ABCDEFGHIJKL-1"


def read(message):
    recipient, raw = compose(message, sender=SENDER, now=NOW)
    return recipient, email.message_from_bytes(raw, policy=default)


def test_a_mail_program_reads_what_was_decided():
    recipient, mail = read(
        outbound(
            customer_name="Ann Lee",
            sender=f"support+{TICKET}@support.example",
            headers={
                "In-Reply-To": "<a@example.org>",
                "References": "<r1@example.org> <a@example.org>",
                "Auto-Submitted": "auto-replied",
                "X-Auto-Response-Suppress": "All",
            },
        )
    )
    assert recipient == "ann@example.org"
    assert mail["From"] == "support+ABCDEFGHIJKL-1@support.example"
    assert mail["To"] == "Ann Lee <ann@example.org>"
    assert mail["Reply-To"] == f"support+{TICKET}@support.example"
    assert mail["Subject"] == f"Re: Hello [#{TICKET}]"
    assert mail["Message-ID"] == f"<ds.{TICKET}.OUT1@support.example>"
    assert mail["In-Reply-To"] == "<a@example.org>"
    assert mail["References"].split() == ["<r1@example.org>", "<a@example.org>"]
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Date"] == "Mon, 02 Mar 2026 00:00:00 +0000"
    assert mail.get_content().replace("\r\n", "\n") == "Thank you.\nWe will write by 14:00.\n"
    assert (mail.get_content_type(), mail.get_content_charset()) == ("text/plain", "utf-8")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Plain.\n", "7bit"),
        ("Grüße aus Köln, wir melden uns bis morgen früh.\n", "quoted-printable"),
        ("お問い合わせありがとうございます。\n", "quoted-printable"),
        ("您好，我们已收到您的来信。\n", "quoted-printable"),
        ("Grüße ohne Zeilenende " * 60, "quoted-printable"),
        ("x" * 5000 + "\n", "quoted-printable"),
    ],
)
def test_every_language_goes_over_seven_bits(text, encoding):
    _, raw = compose(outbound(text=text, subject=text[:60], customer_name="田中 さん"), sender=SENDER, now=NOW)
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(len(line) for line in raw.splitlines()) <= 998
    mail = email.message_from_bytes(raw, policy=default)
    assert mail.get_content().replace("\r\n", "\n") == text
    assert mail["Content-Transfer-Encoding"] == encoding
    assert mail["Subject"] == text[:60].strip()
    assert mail["To"].addresses[0].display_name == "田中 さん"


def test_a_long_message_id_is_not_folded_into_an_encoded_word():
    long_id = "<" + "a" * 300 + "@mail.example.org>"
    _, raw = compose(
        outbound(
            headers={"In-Reply-To": long_id, "References": " ".join(f"<{n}.{'b' * 60}@x.org>" for n in range(60))}
        ),
        sender=SENDER,
        now=NOW,
    )
    assert b"In-Reply-To: " + long_id.encode() + b"\r\n" in raw
    references = email.message_from_bytes(raw, policy=default)["References"].split()
    assert len(references) == 40, "the first, which started the thread, and the newest"
    assert references[0].startswith("<0.")
    assert references[-1].startswith("<59.")


def test_a_message_without_an_id_gets_a_stable_one():
    mail = read(outbound(message_id=""))[1]
    assert mail["Message-ID"] == f"<ds.{TICKET}.OUT1@support.example>"


@pytest.mark.parametrize(
    ("domain", "ascii_form"),
    [("bücher.example", "xn--bcher-kva.example"), ("faß.example", "xn--fa-hia.example"), ("例え.example", "xn--r8jz45g.example"), ("BÜCHER。example", "xn--bcher-kva.example"), ("💩.example", "xn--ls8h.example")],
)  # fmt: skip
def test_an_international_domain_is_written_in_ascii(domain, ascii_form):
    assert read(outbound(address=f"ann@{domain}"))[0] == f"ann@{ascii_form}"


@pytest.mark.parametrize(
    "local", ["änn", "用户", "пользователь", "उपयोगकर्ता", "müller.größe+tag", "josé", "ユーザー", "ä" * 32]
)
def test_an_international_address_stands_in_utf_8_in_the_header(local):
    recipient, raw = compose(outbound(address=f"{local}@bücher.example"), sender=SENDER, now=NOW)
    assert recipient == f"{local}@xn--bcher-kva.example"
    assert f"To: {recipient}\r\n".encode() in raw
    assert raw.replace(local.encode(), b"").isascii(), "nothing else is beyond ASCII"


@pytest.mark.parametrize(
    "bad",
    [
        "", "ann", "@example.org", "ann@", "a@b, c@d", "a@b;c@d", "a b@example.org", "ann@example.org\r\nBcc: x@y", "<ann@example.org>",
        "Ann <ann@example.org>", "ann@exa mple.org", "än n@example.org", "än\u2028n@example.org", "ä@b@example.org", "ä,b@example.org", "ä" * 40 + "@example.org", "ä..b@example.org", "+15550100", "a@b@c,d", "ann@example.org\0", "a@[@x.de", "a@@@x.de",
    ],
)  # fmt: skip
def test_what_is_not_exactly_one_address_is_refused(bad):
    with pytest.raises(Undeliverable) as refused:
        compose(outbound(address=bad), sender=SENDER, now=NOW)
    assert (refused.value.outcome, refused.value.reason) == ("refused", "bad_address")


def test_a_blind_copy_that_is_no_address_is_not_named() -> None:
    for bad in ("secret@", "secret@[@x.de", "secret audit@x.de"):
        with pytest.raises(Undeliverable) as refused:
            copies(outbound(bcc=["boss@example.org", bad]))
        assert "secret" not in f"{refused.value} {refused.value.__cause__}", refused.value


@pytest.mark.parametrize("name", ["X:Y", "X Y", "X\r\nBcc", "", "X\n", "Ümlaut"])
def test_an_impossible_header_name_is_refused(name):
    with pytest.raises(Undeliverable, match="is not a header name"):
        compose(outbound(headers={name: "x"}), sender=SENDER, now=NOW)


def test_headers_that_would_change_who_writes_to_whom_are_left_out():
    mail = read(
        outbound(
            headers={
                "Bcc": "x@y.org",
                "To": "x@y.org",
                "From": "boss@x.org",
                "Content-Type": "text/html",
                "X-Loop": "us",
            }
        )
    )[1]
    assert mail["Bcc"] is None
    assert (mail["To"], mail["From"], mail.get_content_type()) == (
        "ann@example.org",
        "support@support.example",
        "text/plain",
    )
    assert mail["X-Loop"] == "us"


def test_a_subject_that_looks_like_an_encoded_word_arrives_as_written():
    written = "Re: =?utf-8?q?hello?= and =?x"
    mail = email.message_from_bytes(compose(outbound(subject=written), sender=SENDER, now=NOW)[1], policy=default)
    assert mail["Subject"] == written


nasty = st.text(alphabet=st.sampled_from('ab \r\n\0\x0b\x0c\x1c\x85\u2028:<>@,;"\\()=?é田\t'), max_size=60)


@settings(max_examples=100, deadline=None)
@given(nasty, nasty, nasty, nasty, st.text(max_size=200))
def test_no_text_of_a_customer_adds_a_header_or_a_recipient(subject, name, reference, value, text):
    message = outbound(
        subject=subject, customer_name=name, text=text, message_id=reference,
        headers={"In-Reply-To": reference, "References": reference, "X-Loop": value},
    )  # fmt: skip
    try:
        recipient, raw = compose(message, sender=SENDER, now=NOW)
    except Undeliverable as refused:
        assert refused.outcome == "refused"
        return
    mail = email.message_from_bytes(raw)
    allowed = {"message-id", "in-reply-to", "references", "from", "to", "subject", "date", "x-loop", "content-type",
               "content-transfer-encoding", "mime-version", "x-report-proof"}  # fmt: skip
    names = [header.lower() for header in mail.keys()]  # noqa: SIM118 - the order and the doubles matter
    assert set(names) <= allowed
    assert len(names) == len(set(names))
    assert recipient == "ann@example.org"
    parsed = email.message_from_bytes(raw, policy=default)
    assert [a.addr_spec for a in parsed["To"].addresses] == ["ann@example.org"]


@pytest.mark.parametrize("automatic", [{}, {"Auto-Submitted": "auto-replied"}])
@given(name=st.text(max_size=80))
@settings(max_examples=30)
def test_a_mail_of_a_brand_is_from_its_name_and_address_and_nobody_else(automatic, name):
    sender = "care+ABCDEFGHIJKL-1@zen.example"
    message = outbound(brand="zen", sender=sender, sender_name=name, headers=automatic)
    _, mail = compose(message, sender=address("support@support.example"), now=NOW)
    read_back = email.message_from_bytes(mail, policy=default)
    [author] = read_back["From"].addresses
    assert author.addr_spec == (sender if automatic else "care@zen.example")
    assert [each.addr_spec for each in read_back["Reply-To"].addresses] == [sender]
    assert len(read_back.get_all("From")) == len(read_back.get_all("To")) == 1 and read_back["Bcc"] is None


def test_a_mail_of_no_brand_is_from_the_address_of_the_settings():
    message = outbound(brand="", sender="support+ABCDEFGHIJKL-1@support.example", sender_name="", headers={})
    _, mail = compose(message, sender=address("help@support.example"), now=NOW)
    assert email.message_from_bytes(mail, policy=default)["From"] == "help@support.example"
