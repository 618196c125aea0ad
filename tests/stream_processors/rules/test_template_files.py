"""Files of templates: what extends what, what a brand changes, what stands in for a missing language, and what is refused."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from schemas.errors import ConfigurationError
from stream_processors.rules import ruleset
from stream_processors.rules.template_files import KINDS
from stream_processors.rules.templates import Situation, Templates

SHIPPED = ruleset.SHIPPED / "templates"
NAMES = ("vip", "lost")
TICKET = "ABCDEFGHIJKL-12"
SAYS = "{{ ticket }} {{ promised_short }} {% block words %}%s{% endblock %}{% block more %}{% endblock %}"


def folder(path: Path, **files: str) -> Path:
    """Writes a small set of templates: all kinds in English, and these; `ja__vip` is `ja/vip.txt`."""
    texts = {f"en__{kind}": SAYS.replace("%s", f"{kind} en") for kind in KINDS} | files
    for name, text in texts.items():
        target = path / name.replace("__", "/")
        target = target if target.suffix else target.with_suffix(".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    return path


def said(templates: Templates, kind: str, situation: str, locale: str) -> tuple[str, str, str]:
    wording = templates.wording(kind, situation, locale)
    case = Situation(kind, wording.locale, TICKET, situation=situation)
    return templates.render(case).text.removeprefix(f"{TICKET} ").strip(), wording.template.name, wording.missing


def test_a_missing_language_falls_back_in_the_order_stated(tmp_path: Path) -> None:
    templates = Templates.load(
        folder(
            tmp_path,
            **{
                "zh-Hans__email": SAYS.replace("%s", "email hans"),
                "zh-Hans__vip": "{% extends channel %}{% block words %}vip hans{% endblock %}",
                "en__vip": "{% extends channel %}{% block words %}vip en{% endblock %}",
                "ja__sms": SAYS.replace("%s", "sms ja"),
            },
        ),
        NAMES,
    )
    asked = [
        ("email", "", "en"), ("email", "vip", "en"), ("email", "lost", "en"), ("email", "", "zh-Hant"),
        ("email", "vip", "zh-Hant"), ("email", "", "ja"), ("email", "vip", "ja"), ("sms", "", "ja"), ("sms", "vip", "ja"),
        ("sms", "", "zh-Hans"), ("sms", "lost", "ja"), ("email", "unheard_of", "en"),
    ]  # fmt: skip
    assert [said(templates, *each) for each in asked] == [
        ("email en", "email.en", ""),
        ("vip en", "email.en.vip", ""),
        ("email en", "email.en", ""),
        ("email hans", "email.zh-Hans", "email"),
        ("vip hans", "email.zh-Hans.vip", "email"),
        ("email en", "email.en", "email"),
        ("vip en", "email.en.vip", "email"),
        ("sms ja", "sms.ja", ""),
        ("sms ja", "sms.ja", "sms.vip"),  # their own language, in general words, before another language
        ("sms en", "sms.en", "sms"),
        ("sms ja", "sms.ja", ""),
        ("email en", "email.en", ""),
    ]
    assert ("ja", "sms.vip") in templates.untranslated and ("ja", "sms.lost") not in templates.untranslated


def test_a_brand_changes_one_block_and_has_it_in_every_situation(tmp_path: Path) -> None:
    vip = "{% extends channel %}{% block words %}vip, {{ super() }}{% endblock %}"
    common = Templates.load(folder(tmp_path / "common", en__vip=vip), NAMES)
    own = tmp_path / "own" / "en"
    own.mkdir(parents=True)
    (own / "chat.txt").write_text('{% extends "chat.txt" %}{% block more %} Acme{% endblock %}', "utf-8")
    (own / "sms.vip.txt").write_text('{% extends "sms.txt" %}{% block words %}Acme vip{% endblock %}', "utf-8")
    brand = Templates.load(own.parent, NAMES, common)
    found = [said(brand, kind, situation, "en")[0] for kind in ("chat", "sms", "email") for situation in ("", "vip")]
    assert found == ["chat en Acme", "vip, chat en Acme", "sms en", "Acme vip", "email en", "vip, email en"]
    assert said(common, "chat", "vip", "en")[0] == "vip, chat en"
    assert brand.wording("chat", "", "en").template.version != common.wording("chat", "", "en").template.version
    assert brand.wording("email", "", "en").template.version == common.wording("email", "", "en").template.version


def test_the_layout_of_earlier_rules_is_still_read(tmp_path: Path) -> None:
    for kind in KINDS:
        for locale in ("en", "ja"):
            (tmp_path / f"{kind}.{locale}.txt").write_text("{{ ticket }} {{ promised_short }} <&>", "utf-8")
    templates = Templates.load(tmp_path, NAMES)
    assert said(templates, "email", "vip", "ja") == ("<&>", "email.ja", "")
    assert templates.render(Situation("email", "ja", TICKET)).html == ""


#: What somebody may write into which file, in which line it is refused, and with which words.
REFUSED = [
    ("ja/email.txt", "{% extends 'letter.txt' %}", 1, "extends 'letter.txt', which is not there"),
    ("ja/vip.txt", "\n{% extends channel %}", 2, "extends 'channel', which is not there"),
    ("en/vip.txt", "{% extends 'vip.txt' %}", 1, "extends 'vip.txt', which is not there"),
    ("en/vip.txt", "{% extends 'lost.txt' %}", 1, "extends itself"),
    ("en/email.txt", "{% extends ticket %}", 1, "extends what is no name of a file"),
    ("en/email.txt", "{% if ticket %}\n{% extends 'chat.txt' %}{% endif %}", 2, "at the beginning"),
    ("en/email.txt", "{{ ticket }}\n{% include 'chat.txt' %}", 2, "include is not possible"),
    ("en/email.txt", "{{ ticket }}\n{% import 'chat.txt' as c %}", 2, "import is not possible"),
    ("en/email.txt", "{{ ticket }}\n{% for each in name %}{{ each }}!{% endfor %}", 2, "goes through articles only"),
    ("en/email.txt", "{% for a in articles %}" * 30 + "{% endfor %}" * 30, 0, "is not a template"),
    ("en/email.txt", "{% if name %}" * 2000 + "{% endif %}" * 2000, 0, "is not a template"),
    ("email.html", "{% extends 'page.html' %}", 1, "extends 'page.html', which is not there"),
    ("en/email.txt", "{% macro m() %}{% endmacro %}", 1, "macro is not possible"),
    ("en/email.txt", "{% set ticket = 1 %}", 1, "assign is not possible"),
    ("en/email.txt", "{{ self.words() }}", 1, "is not possible"),
    ("en/email.txt", "{{ super.x }}", 1, "getattr is not possible"),
    ("en/email.txt", "{{ super(ticket) }}", 1, "call is not possible"),
    ("en/email.txt", "{{ ''.__class__.__mro__ }}", 1, "getattr is not possible"),
    ("en/email.txt", "{{ cycler }}", 1, "unknown variable 'cycler'"),
    ("en/vip.txt", "{% extends channel %}\n{% block words %}{{ nmae }}{% endblock %}", 2, "unknown variable 'nmae'"),
    (
        "en/vip.txt",
        "{% extends channel %}{% block words %}{{ super() }}{% endblock %}{% block words %}{% endblock %}",
        1,
        "defined twice",
    ),
    (
        "en/sms.vip.txt",
        "{% extends 'sms.txt' %}{% block words %}" + "far too long " * 13 + "{% endblock %}",
        0,
        "too long for one message",
    ),
    ("en/email.vip.txt", "nothing at all", 0, "does not name the ticket"),
    ("en/email.html", "<p>{{ words }}</p>\n<p>{{ wrods }}</p>", 2, "unknown variable 'wrods'"),
    (
        "email.html",
        "<p style='color: red'>{{ ticket }} {{ promised }}{{ words }}</p>",
        0,
        "its HTML has what mails may not have",
    ),
    (
        "email.html",
        "<img src='https://x.example/a.png'>{{ ticket }} {{ promised }}",
        0,
        "its HTML has what mails may not have",
    ),
    (
        "email.html",
        "<p>{{ ticket }} {{ promised }}<a href='https://shop.example/?q={{ subject }}'>{{ words }}</a></p>",
        0,
        "its HTML has what mails may not have",
    ),
    ("en/email.txt", "{{ ticket }}\n{% autoescape false %}{{ name }}{% endautoescape %}", 1, "scope is not possible"),
    ("email.html", "<p>{{ words }}</p>", 0, "does not name the ticket"),
    ("chat.html", "<p></p>", 0, "only mails have HTML"),
    ("en/fax.txt", "{{ ticket }}", 0, "neither a kind of channel nor a situation"),
    ("en/email.nobody.txt", "{{ ticket }}", 0, "neither a kind of channel nor a situation"),
    ("en/email.md", "{{ ticket }}", 0, "is not a template"),
    ("zh-hans/email.txt", "{{ ticket }}", -1, "is not a locale"),
    ("email.en.txt", "{{ ticket }}", 0, "is there twice"),
]


def test_a_mistake_is_refused_with_file_and_line(tmp_path: Path) -> None:
    wrong = []
    elsewhere = ("email.html", "email.en.txt")  # one of two files may be named
    for number, (name, text, line, told) in enumerate(REFUSED):
        root = folder(tmp_path / str(number), en__lost="{% extends 'vip.txt' %}", en__vip="{% extends channel %}")
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        try:
            Templates.load(root, NAMES)
        except ConfigurationError as error:
            where = str(path.parent) if line < 0 else f"{path}:{line}" if line else str(path)
            if told not in str(error) or (error.where != where and name not in elsewhere and told != "extends itself"):
                wrong.append((name, text, str(error)))
        else:
            wrong.append((name, text, "taken"))
    assert wrong == []


def test_own_templates_may_lack_the_shipped_situations(tmp_path: Path) -> None:
    root = Path(copytree(SHIPPED, tmp_path / "templates"))
    names = ruleset.load().situations.names
    for name in names:
        (root / "ja" / f"{name}.txt").unlink(missing_ok=True)
    templates = Templates.load(root, names)
    wording = templates.wording("email", "vip", "ja")
    assert (wording.template.name, wording.locale, wording.missing) == ("email.ja", "ja", "email.vip")
    assert templates.wording("email", "angry", "ja").missing == ""  # no language has words of its own for it


def test_whatever_a_value_holds_stays_text_in_html() -> None:
    shipped = ruleset.load().templates
    words = '</p><b onclick="x">&amp; {0} {name}'
    found = shipped.render(Situation("email", "en", TICKET, incident=words, signature=f"A\n{words}", brand=words)).html
    assert "<b " not in found and found.count("&lt;b onclick") == 2 and "A<br>&lt;/p&gt;" in found
    with pytest.raises(KeyError):
        shipped.wording("fax", "", "en")
