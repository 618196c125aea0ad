"""From headers as mailers write them, each with the sender that a person reads in it; and a generator of them."""

from __future__ import annotations

import base64

from hypothesis import strategies as st

__all__ = ["FORMS", "UNUSABLE", "written_senders"]

#: `(header as bytes, name, address)`.
FORMS: list[tuple[str | bytes, str, str]] = [
    # the address in angle brackets is the address
    ("Ann @ Home <a@x.example>", "Ann @ Home", "a@x.example"),
    ("Ann@Home <a@x.example>", "Ann@Home", "a@x.example"),
    ("ann@other.example <a@x.example>", "ann@other.example", "a@x.example"),
    ("'ann@other.example' <a@x.example>", "ann@other.example", "a@x.example"),
    ('"ann@other.example" <a@x.example>', "ann@other.example", "a@x.example"),
    ("ann@other.example(work) <a@x.example>", "ann@other.example(work)", "a@x.example"),
    ("Ann via shop@other.example <a@x.example>", "Ann via shop@other.example", "a@x.example"),
    ("<ann@other.example> <a@x.example>", "<ann@other.example>", "a@x.example"),
    ("Ann <ann@other.example> <a@x.example>", "Ann <ann@other.example>", "a@x.example"),
    ("=?utf-8?Q?ann=40other.example?= <a@x.example>", "ann@other.example", "a@x.example"),
    ("=?utf-8?Q?Ann_=3Cann=40other.example=3E?= <a@x.example>", "Ann <ann@other.example>", "a@x.example"),
    ("ann@other.example on behalf of Bob <a@x.example>", "ann@other.example on behalf of Bob", "a@x.example"),
    ("@ann <a@x.example>", "@ann", "a@x.example"),
    ("Ann (ann@other.example) <a@x.example>", "Ann (ann@other.example)", "a@x.example"),
    ("Lee, ann@other.example <a@x.example>", "Lee, ann@other.example", "a@x.example"),
    # names with separators
    ("Bürling, Andreas <a@x.example>", "Bürling, Andreas", "a@x.example"),
    ("=?iso-8859-1?Q?B=FCrling,=20Andreas?= <a@x.example>", "Bürling, Andreas", "a@x.example"),
    ("=?iso-8859-1?Q?B=FCrling=2C_Andreas?= <a@x.example>", "Bürling, Andreas", "a@x.example"),
    ("=?utf-8?B?QsO8cmxpbmcsIEFuZHJlYXM=?= <a@x.example>", "Bürling, Andreas", "a@x.example"),
    ('"=?utf-8?Q?B=C3=BCrling,_Andreas?=" <a@x.example>', "Bürling, Andreas", "a@x.example"),
    ("=?utf-8?Q?Ann_(Sales);_Ltd:?= <a@x.example>", "Ann (Sales); Ltd:", "a@x.example"),
    ("=?utf-8?Q?Ann Lee, Ltd?= <a@x.example>", "Ann Lee, Ltd", "a@x.example"),
    ("=?utf-8?Q?Ann_<3?= <a@x.example>", "Ann <3", "a@x.example"),
    ("=?koi8-r?B?6dfBzs/XLCDJ18HO?= <a@x.example>", "Иванов, иван", "a@x.example"),
    ("=?gb2312?B?wO7A1w==?= =?gb2312?Q?,_=C0=EE?= <a@x.example>", "李雷, 李", "a@x.example"),
    ("=?utf-8?Q?M=C3=BCller?=, Ann <a@x.example>", "Müller, Ann", "a@x.example"),
    ('"Lee; Ann" <a@x.example>', "Lee; Ann", "a@x.example"),
    ("Lee; Ann <a@x.example>", "Lee; Ann", "a@x.example"),
    ("Re: Ann <a@x.example>", "Re: Ann", "a@x.example"),
    ("Ann :-) <a@x.example>", "Ann :-)", "a@x.example"),
    ("Ann :-( <a@x.example>", "Ann :-(", "a@x.example"),
    ("Ann <3 Lee <a@x.example>", "Ann <3 Lee", "a@x.example"),
    ("Ann > Lee <a@x.example>", "Ann > Lee", "a@x.example"),
    ("Ann [Sales] <a@x.example>", "Ann [Sales]", "a@x.example"),
    ("A.N.N. Lee <a@x.example>", "A.N.N. Lee", "a@x.example"),
    ("O'Neil <o'neil@x.example>", "O'Neil", "o'neil@x.example"),
    ("Ann \\ Lee <a@x.example>", "Ann \\ Lee", "a@x.example"),
    # quotes
    ('"Lee, Ann" <a@x.example>', "Lee, Ann", "a@x.example"),
    ('"Ann \\"Annie\\" Lee" <a@x.example>', 'Ann "Annie" Lee', "a@x.example"),
    ('Ann "Annie, the boss" Lee <a@x.example>', "Ann Annie, the boss Lee", "a@x.example"),
    ('"Ann Lee <a@x.example>', "Ann Lee", "a@x.example"),
    ('Ann Lee" <a@x.example>', "Ann Lee", "a@x.example"),
    ('"Ann Lee"<a@x.example>', "Ann Lee", "a@x.example"),
    ('"Ann Lee\\" <a@x.example>', "Ann Lee\\", "a@x.example"),
    ("'Ann Lee' <a@x.example>", "Ann Lee", "a@x.example"),
    ("`Ann Lee' <a@x.example>", "`Ann Lee", "a@x.example"),
    ('"" <a@x.example>', "", "a@x.example"),
    ('"Ann <ann@other.example>" <a@x.example>', "Ann <ann@other.example>", "a@x.example"),
    ('"Ann Lee <a@x.example>"', "Ann Lee", "a@x.example"),
    ('"a@x.example"', "", "a@x.example"),
    ("'a@x.example'", "", "a@x.example"),
    # no brackets, or not all of them
    ("Big Bug bb@bug.example", "Big Bug", "bb@bug.example"),
    ("bb@bug.example Big Bug", "Big Bug", "bb@bug.example"),
    ('"Big Bug" bb@bug.example', "Big Bug", "bb@bug.example"),
    ('"ann@other.example" bb@bug.example', "ann@other.example", "bb@bug.example"),
    ("=?utf-8?Q?Big_B=C3=BCg?= bb@bug.example", "Big Büg", "bb@bug.example"),
    ("Big Bug (bb@bug.example)", "Big Bug", "bb@bug.example"),
    ("Big Bug [bb@bug.example]", "Big Bug", "bb@bug.example"),
    ("Big Bug [mailto:bb@bug.example]", "Big Bug", "bb@bug.example"),
    ("Big Bug {bb@bug.example}", "Big Bug", "bb@bug.example"),
    ("bb@bug.example (Big Bug)", "Big Bug", "bb@bug.example"),
    ("bb@bug.example (Big (the) Bug)", "Big (the) Bug", "bb@bug.example"),
    ("bb@bug.example (Bug, Big)", "Bug, Big", "bb@bug.example"),
    ("bb@bug.example (=?iso-8859-1?Q?B=FCg,_Big?=)", "Büg, Big", "bb@bug.example"),
    ("(Big Bug) bb@bug.example", "Big Bug", "bb@bug.example"),
    ("(Big Bug) <bb@bug.example>", "Big Bug", "bb@bug.example"),
    ("Big Bug <bb@bug.example", "Big Bug", "bb@bug.example"),
    ("Big Bug bb@bug.example>", "Big Bug", "bb@bug.example"),
    ("Big Bug <<bb@bug.example>>", "Big Bug", "bb@bug.example"),
    ("Big Bug <bb@bug.example>>", "Big Bug", "bb@bug.example"),
    ("Big Bug <bb@bug.example>.", "Big Bug", "bb@bug.example"),
    ("Big Bug <bb@bug.example>,", "Big Bug", "bb@bug.example"),
    ("Big Bug <bb@bug.example>;", "Big Bug", "bb@bug.example"),
    ("<bb@bug.example> Big Bug", "Big Bug", "bb@bug.example"),
    ("bb@bug.example,", "", "bb@bug.example"),
    ("bb@bug.example;", "", "bb@bug.example"),
    ("bb@bug.example.", "", "bb@bug.example"),
    ("bb@bug.example <>", "", "bb@bug.example"),
    ("Big Bug &lt;bb@bug.example&gt;", "Big Bug", "bb@bug.example"),
    ("Big Bug ＜bb@bug.example＞", "Big Bug", "bb@bug.example"),
    # decorations of the address
    ("Ann <mailto:a@x.example>", "Ann", "a@x.example"),
    ("mailto:a@x.example", "", "a@x.example"),
    ("Ann <SMTP:a@x.example>", "Ann", "a@x.example"),
    ("Ann <a@x.example> <mailto:a@x.example>", "Ann <a@x.example>", "a@x.example"),
    ("Ann < a@x.example >", "Ann", "a@x.example"),
    ("Ann < a @ x.example >", "Ann", "a@x.example"),
    ("a @ x.example", "", "a@x.example"),
    ("Ann <a@x.example\t>", "Ann", "a@x.example"),
    ("Ann\r\n <a@x.example>", "Ann", "a@x.example"),
    ("Ann <a@\r\n x.example>", "Ann", "a@x.example"),
    ("Ann <@r.example,@s.example:a@x.example>", "Ann", "a@x.example"),
    ("Ann <a(work)@x.example>", "Ann", "a@x.example"),
    ("Ann <a@x.example (work)>", "Ann", "a@x.example"),
    ("a(work)@x.example", "work", "a@x.example"),
    ("Ann <'a@x.example'>", "Ann", "a@x.example"),
    ("Ann <\"a@x.example\">", "Ann", "a@x.example"),
    ("Ann <=?utf-8?Q?a=40x.example?=>", "Ann", "a@x.example"),
    ("\u200eAnn <\u202aa@x.example\u202c>", "Ann", "a@x.example"),
    ("Ann <a@x.example.>", "Ann", "a@x.example"),
    # quoted and unusual local parts, domains
    ('"ann lee"@x.example', "", '"ann lee"@x.example'),
    ('Ann <"ann lee"@x.example>', "Ann", '"ann lee"@x.example'),
    ('Ann <"ann"@x.example>', "Ann", "ann@x.example"),
    ('Ann <"a@b"@x.example>', "Ann", '"a@b"@x.example'),
    ('Ann <"a,b;c"@x.example>', "Ann", '"a,b;c"@x.example'),
    ('Ann <"a\\"b"@x.example>', "Ann", '"a\\"b"@x.example'),
    ('"a@b"@x.example (Ann)', "Ann", '"a@b"@x.example'),
    ("Ann <ann..lee.@x.example>", "Ann", "ann..lee.@x.example"),
    ("Ann <ann+tag=1%x!y@x.example>", "Ann", "ann+tag=1%x!y@x.example"),
    ("Ann <a@[192.0.2.1]>", "Ann", "a@[192.0.2.1]"),
    ("Ann <a@[IPv6:2001:db8::1]>", "Ann", "a@[IPv6:2001:db8::1]"),
    ("Ann <a@localhost>", "Ann", "a@localhost"),
    ("Ann <a@münchen.example>", "Ann", "a@xn--mnchen-3ya.example"),
    ("Ann <a@MÜNCHEN.example>", "Ann", "a@xn--mnchen-3ya.example"),
    ("Ann <a@straße.example>", "Ann", "a@xn--strae-oqa.example"),
    ("Ann <a@例え。jp>", "Ann", "a@xn--r8jz45g.jp"),
    ("李雷 <用户@例子.example>", "李雷", "用户@xn--fsqu00a.example"),
    ("Ann <аня@почта.example>", "Ann", "аня@xn--80a1acny.example"),
    # several of them
    ("Ann <a@x.example>, Bob <b@y.example>", "Ann", "a@x.example"),
    ("Ann <a@x.example>; Bob <b@y.example>", "Ann", "a@x.example"),
    ("Ann <a@x.example> Bob <b@y.example>,", "Ann", "a@x.example"),
    ("a@x.example, b@y.example", "", "a@x.example"),
    ("The shop: Ann <a@x.example>, b@y.example;", "Ann", "a@x.example"),
    ("The shop: Lee, Ann <a@x.example>;", "Lee, Ann", "a@x.example"),
    ("Empty:;, Ann <a@x.example>", "Ann", "a@x.example"),
    (",, Ann <a@x.example>", "Ann", "a@x.example"),
    # raw bytes
    ("Bürling, Andreas <a@x.example>".encode("latin-1"), "Bürling, Andreas", "a@x.example"),
    ("Петров, Иван <a@x.example>".encode("cp1251"), "Петров, Иван", "a@x.example"),
    ("佐藤、健 <a@x.example>".encode("cp932"), "佐藤、健", "a@x.example"),
    ("表示 <a@x.example>".encode("cp932"), "表示", "a@x.example"),  # its second byte is a backslash
    ("=?iso-2022-jp?B?GyRCOjRGIxsoQiwgGyRCN3IbKEI=?= <a@x.example>", "佐藤, 健", "a@x.example"),
]  # fmt: skip

#: Nobody can be answered; what stands beside the unusable address is none.
UNUSABLE = [
    "Ann", "Ann @ Home", "Ann <>", "<>", "", "undisclosed:;", "Ann <ann>", "Ann <@x.example>", "Ann <ann@>", "ann@other.example <ann lee@x.example>",
    '"ann@other.example" <a@x@y.example>', "Ann <ann lee@x.example>", "MAILER-DAEMON", "@", "ann at example dot org", "=?utf-8?Q?Ann?=", "ann@other.example <nobody>",
]  # fmt: skip


# -- the generator ----------------------------------------------------------------------------------------------------

_PLAIN = st.sampled_from(
    ["Ann Lee", "Ann @ Home", "ann@other.example", "Lee, Ann", "Ann (Sales)", "O'Neil", "Dr. A. Lee", "Ann; Ltd", "A: B", "Ann <3", "Ann :-)", "Ann :(", "5 > 4",
     "Bürling, Andreas", "François d'Été", "Łukasz Żak", "Иванов, Иван", "Παπαδόπουλος", "李雷", "佐藤 健", "김민수", "محمد علي", "שרה כהן", "ภูมิ", "Ann 🙂",
     "Ann / Bob", "Ann & Bob", "#1 Shop!", "Ann = Lee", "a b c d", "Ann [x]", "Ann {y}", "100%", "Ann_Lee", "-", "mailto: Ann", "Ann |", "~", "*Ann*"]
)  # fmt: skip
_ANY = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs"], blacklist_characters='"<>\\='),
    min_size=1,
    max_size=12,
)
_NAMES = st.one_of(_PLAIN, st.lists(_ANY, min_size=1, max_size=3).map(" ".join))
_LOCALS = st.sampled_from(
    [
        "ann",
        "ann.lee",
        "Ann+tag",
        "a",
        "o'neil",
        "x=y",
        "1234567890",
        "ann_lee-x",
        "ann..lee",
        '"ann lee"',
        '"a@b"',
        '"a,b"',
        "a%b",
        "a!b",
    ]
)
_DOMAINS = st.sampled_from(
    [
        "x.example",
        "mail.x.example",
        "X.Example",
        "x-y.example",
        "xn--fsqu00a.example",
        "[192.0.2.1]",
        "localhost",
        "1.example",
        "münchen.example",
    ]
)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _q_word(name: str, keep: str) -> str:
    done = "".join(
        char
        if (char.isalnum() and char.isascii()) or char in keep
        else "".join(f"={byte:02X}" for byte in char.encode())
        for char in name
    )
    return f"=?utf-8?Q?{done}?="


def _b_word(name: str, charset: str) -> str:
    data = name.encode(charset, "replace")
    return f"=?{charset}?B?{base64.b64encode(data).decode()}?="


@st.composite
def written_senders(draw: st.DrawFn) -> tuple[str, str]:
    """Draws `(From header, address)`: any name in any way of writing, beside an address in any way of writing."""
    name, address = draw(_NAMES), f"{draw(_LOCALS)}@{draw(_DOMAINS)}"
    form = draw(st.sampled_from(["raw", "quoted", "q", "q raw", "b", "comment", "bare", "none"]))
    angle = draw(
        st.sampled_from(
            [
                "<{}>",
                "< {} >",
                "<{}",
                "<mailto:{}>",
                "<{}>>",
                "<<{}>>",
                "<{}>,",
                "<{}> (x)",
                "<@r.example:{}>",
                "\t<{}>",
                "<{}>.",
            ]
        )
    )
    in_angle = angle.format(address)
    safe = not any(sign in name for sign in ",;:@()[]")
    if form == "raw":
        separated = "@" in name and any(sign in name for sign in ",;")
        written = f"{name if not separated else 'Ann'} {in_angle}"
    elif form == "comment":
        words = name.replace("(", "").replace(")", "")
        written = f"{address} ({words})"
    elif form == "bare" and safe:
        written = f"{name} {address}"
    elif form == "none":
        written = draw(st.sampled_from([address, f"<{address}>", f" {address} ", f"{address},"]))
    else:
        word = {"q": _q_word(name, ""), "q raw": _q_word(name, " ,;:@()"), "b": _b_word(name, "utf-8")}
        written = f"{word.get(form, _quoted(name))} {in_angle}"
    return written, address
