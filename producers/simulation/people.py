"""Makes up the customers of the shop, what they buy, and its agents. Addresses are of reserved domains."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from schemas.events import PresenceChanged
from schemas.identity import canonical_customer_id, customer_tag, event_id

__all__ = ["LANGUAGES", "PRODUCTS", "STAFF", "Agent", "Person", "customers", "presences"]

#: Language → share of customers.
LANGUAGES = {"en": 0.5, "zh-Hans": 0.2, "zh-Hant": 0.15, "ja": 0.15}

_NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "en": (
        (
            "Ann",
            "Ben",
            "Carla",
            "Dev",
            "Ella",
            "Finn",
            "Grace",
            "Hugo",
            "Isla",
            "Jonah",
            "Kira",
            "Liam",
            "Maya",
            "Noor",
        ),
        ("Abbott", "Baker", "Clarke", "Doyle", "Evans", "Foster", "Grant", "Hughes", "Iqbal", "Jensen", "Khan", "Lowe"),
        "{given} {family}",
    ),
    "zh-Hans": (
        ("伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "杰", "婷", "雪"),
        ("王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙"),
        "{family}{given}",
    ),
    "zh-Hant": (
        ("怡君", "雅婷", "志明", "淑芬", "家豪", "俊傑", "美玲", "建宏", "欣怡", "冠宇", "詩涵", "宗翰"),
        ("林", "陳", "黃", "張", "蔡", "許", "鄭", "謝", "洪", "郭", "邱", "曾"),
        "{family}{given}",
    ),
    "ja": (
        ("さくら", "健太", "陽子", "翔", "美咲", "大輔", "結衣", "拓也", "恵", "直樹", "彩", "誠"),
        ("佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "吉田", "山田"),
        "{family} {given}",
    ),
}

#: What the shop sells: name by language, price in cents.
PRODUCTS: tuple[tuple[dict[str, str], int], ...] = (
    ({"en": "the blue kettle", "zh-Hans": "蓝色水壶", "zh-Hant": "藍色水壺", "ja": "青いケトル"}, 4900),
    ({"en": "the desk lamp", "zh-Hans": "台灯", "zh-Hant": "檯燈", "ja": "デスクライト"}, 3900),
    (
        {"en": "the wireless headphones", "zh-Hans": "无线耳机", "zh-Hant": "無線耳機", "ja": "ワイヤレスヘッドホン"},
        12900,
    ),
    ({"en": "the running shoes", "zh-Hans": "跑步鞋", "zh-Hant": "慢跑鞋", "ja": "ランニングシューズ"}, 8900),
    ({"en": "the rain jacket", "zh-Hans": "雨衣外套", "zh-Hant": "防水外套", "ja": "レインジャケット"}, 7900),
    ({"en": "the coffee grinder", "zh-Hans": "磨豆机", "zh-Hant": "磨豆機", "ja": "コーヒーミル"}, 5900),
    ({"en": "the tea set", "zh-Hans": "茶具", "zh-Hant": "茶具組", "ja": "ティーセット"}, 6900),
    ({"en": "the alarm clock", "zh-Hans": "闹钟", "zh-Hant": "鬧鐘", "ja": "目覚まし時計"}, 2900),
    ({"en": "the backpack", "zh-Hans": "双肩包", "zh-Hant": "後背包", "ja": "リュック"}, 9900),
    ({"en": "the rice cooker", "zh-Hans": "电饭煲", "zh-Hant": "電鍋", "ja": "炊飯器"}, 15900),
)

_TIERS = ("",) * 17 + ("gold", "gold", "vip")
_ZONES = {"en": "Europe/London", "zh-Hans": "Asia/Shanghai", "zh-Hant": "Asia/Taipei", "ja": "Asia/Tokyo"}
_DOMAINS = ("mail.example", "post.example", "example.org", "example.net")


@dataclass(frozen=True, slots=True)
class Person:
    """Describes a customer. `number` makes every address and id unique; `style` is how their mail program writes."""

    number: int
    name: str
    language: str
    email: str
    phone: str
    handle: str
    tier: str
    style: int

    @property
    def time_zone(self) -> str:
        """Returns the time zone of where they live."""
        return _ZONES[self.language]

    def customer_id(self, channel: str) -> str:
        """Returns their id on a channel: the shop knows a chat visitor's e-mail, but not a caller's."""
        if channel in ("sms", "phone", "voicemail"):
            return canonical_customer_id("tel", self.phone)
        if channel == "social":
            return canonical_customer_id("social", self.handle)
        return canonical_customer_id("email", self.email)

    def tag(self, channel: str) -> str:
        """Returns their customer tag on a channel."""
        return customer_tag(self.customer_id(channel))

    def address(self, channel: str) -> str:
        """Returns the address that an answer on this channel goes to."""
        if channel in ("sms", "phone", "voicemail"):
            return self.phone
        return {"social": self.handle, "chat": f"visitor-{self.number}"}.get(channel, self.email)


def customers(rng: Random, count: int, first: int = 0) -> list[Person]:
    """Returns so many customers, numbered from `first`."""
    languages = rng.choices(list(LANGUAGES), list(LANGUAGES.values()), k=count)
    return [_person(rng, first + index, language) for index, language in enumerate(languages)]


def _person(rng: Random, number: int, language: str) -> Person:
    given, family, form = _NAMES[language]
    return Person(
        number=number,
        name=form.format(given=rng.choice(given), family=rng.choice(family)),
        language=language,
        email=f"customer{number}@{rng.choice(_DOMAINS)}",
        phone=f"+1555{number % 10_000_000:07d}",
        handle=f"@shopper{number}",
        tier=rng.choice(_TIERS),
        style=rng.randrange(4),
    )


@dataclass(frozen=True, slots=True)
class Agent:
    """Describes an agent."""

    name: str
    team: str
    languages: tuple[str, ...]


STAFF: tuple[Agent, ...] = (
    Agent("mei", "support", ("en", "zh")),
    Agent("tom", "support", ("en",)),
    Agent("yui", "support", ("en", "ja")),
    Agent("lin", "support", ("en", "zh-Hant", "ja")),
    Agent("ava", "payments", ("en", "zh")),
    Agent("ken", "payments", ("en", "ja")),
    Agent("raj", "delivery", ("en",)),
    Agent("hao", "delivery", ("en", "zh")),
    Agent("sora", "delivery", ("en", "ja")),
    Agent("eve", "delivery", ("en", "zh-Hans")),
    Agent("ida", "returns", ("en",)),
    Agent("jun", "returns", ("en", "zh")),
    Agent("rin", "returns", ("en", "ja")),
    Agent("max", "product", ("en",)),
    Agent("xin", "product", ("en", "zh")),
    Agent("aki", "product", ("en", "ja")),
    Agent("noa", "accounts", ("en",)),
    Agent("bao", "accounts", ("en", "zh")),
    Agent("emi", "accounts", ("en", "ja")),
)

#: Tickets that wait on us, per agent.
CAPACITY = {"chat": 3, "phone": 1, "voicemail": 3, "sms": 4, "social": 4, "default": 10}
_LUNCH_SECONDS = 45 * 60
#: The simulated shop knows its agents' shifts: a report holds until it says something else.
_VALID_SECONDS = 365 * 86_400
_HOUR = 3600 * 1_000_000


def presences(start: int, end: int, scale: int = 1) -> list[PresenceChanged]:
    """Returns the presences of a day: everybody comes at `start` (micros UTC); half of each team is at lunch while the other half is there.

    `scale` multiplies the capacities, for days with more contacts than a small shop has.
    """
    capacity = {channel: slots * scale for channel, slots in CAPACITY.items()}
    midnight = start - start % (24 * _HOUR)
    events = []
    for index, agent in enumerate(STAFF):
        out = midnight + 12 * _HOUR + (index % 2) * _HOUR
        back = out + _LUNCH_SECONDS * 1_000_000
        changes = [(start, "online")]
        changes += [(at, status) for at, status in ((out, "away"), (back, "online")) if start < out and back < end]
        for at, status in changes:
            events.append(
                PresenceChanged(
                    event_id=event_id("presence", agent.team, agent.name, status, str(at)),
                    occurred_at=at,
                    received_at=at,
                    customer_tag="",
                    source="simulator",
                    agent_id=agent.name,
                    team=agent.team,
                    status=status,
                    capacity=capacity,
                    languages=list(agent.languages),
                    valid_seconds=_VALID_SECONDS,
                )
            )
    return sorted(events, key=lambda event: event.occurred_at)
