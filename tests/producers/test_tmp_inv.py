"""Whatever mailers put around a customer's lines, and whatever these look like, all of them are in the result."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from producers.mail.quotes import Thread, newest_part
from tests.support.producers import quote_examples
from tests.support.producers.quote_examples import lines_of

ATTRIBUTIONS = [text for _, text in quote_examples.rows("attributions.txt")]
BLOCKS = [text for _, text in quote_examples.rows("header_blocks.txt")]
APP_LINES = [text for _, text in quote_examples.rows("app_lines.txt")]
SENTENCES = [sentence for those in quote_examples.SENTENCES.values() for sentence in those[:2]]
#: Lines that people write and that look like something else.
LOOKALIKES = [
    "From: London", "To: Paris", "Date: 3 March 2026", "Subject: room 12", "Von: Berlin", "Datum: 2.3.2026", "件名：ランプ", "日期：3月2日",
    "On Monday your driver wrote:", "I did this:", "He wrote:", "Ihr Kollege schrieb am 2.3.2026:", "卖家写道：", "On 2 March 2026 at 9:00",
    "----------", "==========", "________________________________", "**********", "━━━━━━━━━━━━", "--- Order 10023 ---", "- 2 lamps", "1. lamp",
    "Tel: 020 7946 0000", "ann@example.org", "www.example.org", "Name: Ann Lee", "Quantity: 3", "TEL：03-0000-0000", "株式会社サンプル",
    "Please see below", "Sent from my neighbour's account", "Sent by post on Monday", "Get Outlook to work", "倉庫から送信", "Order 10023", "P.S. And the cable?",
    "-----Original Message-----", "Original Message", "Forwarded message", "Regards", "Thanks", "Hello", "| lamp | 2 |", "[lamp]", "<lamp>", "a > b",
    "http://example.org/a", "Re: lamp", "9:00", "2026-03-02", "?", "Yes.", "No", "10023", "=", "Ann", "Example Ltd",
]  # fmt: skip
STEPS = ["> open settings", "> tap on reset", "> wait", ">> then off"]

plain = st.sampled_from(SENTENCES)
lookalike = st.sampled_from(LOOKALIKES)
line = st.one_of(plain, lookalike, st.just(""), st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30))
#: What a customer wrote: it begins and ends with a sentence, so that its end is no signature, and no greeting alone.
words = st.tuples(plain, st.lists(line, max_size=6), plain).map(lambda parts: [parts[0], *parts[1], parts[2]])
steps = st.lists(st.sampled_from(STEPS), min_size=1, max_size=3)
threads = st.sampled_from([Thread(), Thread("Lamp", answers=False), Thread("Re: Lamp", answers=True)])
quote = st.lists(
    st.sampled_from(["> Dear Ann,", ">", "> shall we?", "> > older", "> -- ", "> Your team"]), min_size=1, max_size=6
)


def is_free(text: str) -> bool:
    """True for a customer's line that is no quote and no mailer's by itself."""
    return not text.lstrip().startswith((">", "＞", "&gt;", "|>", "-----BEGIN PGP")) and text.strip() not in (
        "--",
        "—",
        "---",
        "__",
    )


def lost(lines: list[str], newest: str) -> list[str]:
    kept = lines_of(newest)
    return [text for text in lines_of("\n".join(filter(is_free, lines))) if text not in kept]


@settings(max_examples=2500, deadline=None)
@given(words, threads)
def test_a_mail_without_a_frame_stays_whole(lines: list[str], thread: Thread) -> None:
    assert lost(lines, newest_part("\n".join(lines), thread=thread)) == []


@settings(max_examples=2500, deadline=None)
@given(words, st.sampled_from(ATTRIBUTIONS), quote, words, threads)
def test_words_above_and_below_an_attributed_quote_stay(
    above: list[str], attribution: str, quoted: list[str], below: list[str], thread: Thread
) -> None:
    text = "\n".join([*above, "", attribution, *quoted, "", *below])
    newest = newest_part(text, thread=thread)
    assert lost(above, newest) == []
    assert lost(below, newest) == []


@settings(max_examples=2500, deadline=None)
@given(words, st.sampled_from(BLOCKS), words, threads)
def test_words_above_a_header_block_stay(above: list[str], block: str, below: list[str], thread: Thread) -> None:
    newest = newest_part("\n".join([*above, "", block, "", *below]), thread=thread)
    assert lost(above, newest) == []


@settings(max_examples=2500, deadline=None)
@given(words, st.sampled_from(APP_LINES), words, threads)
def test_a_line_of_an_app_takes_no_words_with_it(
    above: list[str], app_line: str, below: list[str], thread: Thread
) -> None:
    assert lost([*above, app_line, *below], newest_part("\n".join([*above, app_line, *below]), thread=thread)) == []
    assert lost(above, newest_part("\n".join([*above, "", app_line]), thread=thread)) == []


@settings(max_examples=2500, deadline=None)
@given(plain, st.sampled_from(["", ":", "."]), steps, plain, st.sampled_from(ATTRIBUTIONS), quote)
def test_steps_that_the_customer_marked_stay(
    first: str, end: str, marked: list[str], last: str, attribution: str, quoted: list[str]
) -> None:
    """Above a quote, with or without a colon before them, in a reply and in a first mail."""
    mail = [first.rstrip(".。!") + end, *marked, last]
    for thread in (Thread(), Thread("Re: Lamp", answers=True)):
        for text in ("\n".join(mail), "\n".join([*mail, "", attribution, *quoted])):
            kept = lines_of(newest_part(text, thread=thread))
            assert [step for step in marked if " ".join(step.split()) not in kept] == []


@settings(max_examples=2500, deadline=None)
@given(words, words, threads, st.sampled_from(BLOCKS + ATTRIBUTIONS))
def test_the_new_words_of_new_words_are_the_same(
    above: list[str], below: list[str], thread: Thread, frame: str
) -> None:
    once = newest_part("\n".join([*above, "", frame, "", *below]), thread=thread)
    assert newest_part(once, thread=thread) == once


@settings(max_examples=2500, deadline=None)
@given(st.text(st.sampled_from(list("> -_:\n\n|ab@.<>2/年From Dateë*=—：写道")), max_size=200), threads)
def test_any_text_gives_lines_of_it(text: str, thread: Thread) -> None:
    newest = newest_part(text, thread=thread)
    assert {each.strip() for each in newest.split("\n")} <= {each.strip() for each in text.split("\n")} | {""}
    assert bool(newest) == bool(text.strip())
