"""Reads and checks `slos.yaml`; names file and line of a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.prometheus import burn
from schemas.events import CHANNELS
from schemas.yamlfile import Document, read

__all__ = ["CSAT", "FILE", "Absolute", "Plan", "Slo", "load"]

FILE = Path(__file__).with_name("slos.yaml")
CSAT = "csat"
CLOCKS = (
    *("acknowledgement", "answer", "first_response", "next_response"),
    *("requester_wait", "agent_work", "first_resolution", "full_resolution"),
)
SEVERITIES = ("page", "ticket")


@dataclass(frozen=True, slots=True)
class Slo:
    """One promise: this share (`objective`) of a channel's clocks is met. `floor` is in failures per long window."""

    clock: str
    channel: str
    objective: float
    owner: str
    severity: str
    floor: int
    burns: tuple[burn.Burn, ...]

    @property
    def name(self) -> str:
        """Its name, such as `first_response-email`."""
        return f"{self.clock}-{self.channel}"


@dataclass(frozen=True, slots=True)
class Absolute:
    """Holds limits on absolute numbers. Times are seconds; `silent_share` is a share."""

    vip_policies: tuple[str, ...]
    longest_wait: dict[str, int]
    spike_factor: float
    spike_least: int
    silent_share: float
    silent_least: int
    chat_unavailable: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Holds the whole file. `period` is in seconds."""

    runbooks: str
    dashboards: str
    owners: tuple[str, ...]
    job: str
    period: int
    windows: tuple[burn.Window, ...]
    slos: tuple[Slo, ...]
    absolute: Absolute


def load(path: Path = FILE) -> Plan:
    """Reads and checks the file.

    Raises:
        ConfigurationError: with file, line, the reason and what to write instead.
    """
    return _Reader(read(path)).plan()


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document

    def plan(self) -> Plan:
        top = self.mapping((), ("links", "owners", "job", "period", "windows", "slos", "absolute"))
        links = self.mapping(("links",), ("runbooks", "dashboards"))
        self.owners = self.names(top["owners"], "owners")
        self.period = self.duration(top["period"], "period")
        self.windows = tuple(self.window(index) for index, _ in enumerate(self.items(top["windows"], "windows")))
        slos = [slo for index, _ in enumerate(self.items(top["slos"], "slos")) for slo in self.slo(index)]
        for index, slo in enumerate(slos):
            if slo.name in {earlier.name for earlier in slos[:index]}:
                self.document.refuse(f"{slo.clock} of {slo.channel} has an objective twice", "slos", fix="keep one")
        return Plan(
            str(links["runbooks"]).rstrip("/"),
            str(links["dashboards"]).rstrip("/"),
            self.owners,
            str(top["job"]),
            self.period,
            self.windows,
            tuple(slos),
            self.absolute(),
        )

    def window(self, index: int) -> burn.Window:
        at = ("windows", index)
        given = self.mapping(at, ("long", "short", "budget", "most", "severity"))
        long, short = self.duration(given["long"], *at, "long"), self.duration(given["short"], *at, "short")
        if not short < long <= self.period:
            self.document.refuse(
                f"a short window of {burn.span(short)} in a long one of {burn.span(long)} in {burn.span(self.period)}",
                *at,
                fix="short < long <= period",
            )
        if index and long <= self.windows_before(index):
            self.document.refuse("is not longer than the window before it", *at, "long", fix="shortest first")
        return burn.Window(
            long,
            short,
            self.percent(given["budget"], *at, "budget"),
            self.percent(given["most"], *at, "most"),
            self.one_of(given["severity"], SEVERITIES, *at, "severity"),
        )

    def windows_before(self, index: int) -> int:
        return self.duration(self.document.data["windows"][index - 1]["long"], "windows", index - 1, "long")

    def slo(self, index: int) -> list[Slo]:
        at = ("slos", index)
        given = self.mapping(at, ("clock", "channels", "objective", "owner", "severity", "floor"), optional=("burn",))
        clock = self.one_of(given["clock"], (*CLOCKS, CSAT), *at, "clock")
        objective = self.percent(given["objective"], *at, "objective")
        if objective >= 1:
            self.document.refuse(
                "an objective of 100 % has no budget to burn", *at, "objective", fix="99.9, or an absolute alert"
            )
        own: dict[int, float] = {}
        for name, factor in (given.get("burn") or {}).items():
            long = self.duration(name, *at, "burn", name)
            if long not in {window.long for window in self.windows}:
                self.document.refuse(f"there is no window of {name}", *at, "burn", name, fix="name one of `windows`")
            own[long] = self.number(factor, *at, "burn", name)
        try:
            burns = burn.burns(objective, self.windows, self.period, own)
        except ValueError as error:
            where = "burn" if own else "objective"
            self.document.refuse(str(error), *at, where, fix="another objective, or another burn or `most`")
        floor = self.number(given["floor"], *at, "floor")
        if floor < 1 or floor != int(floor):
            self.document.refuse(f"a floor of {floor:g} failures", *at, "floor", fix="a whole number from 1")
        owner = self.one_of(given["owner"], self.owners, *at, "owner")
        severity = self.one_of(given["severity"], SEVERITIES, *at, "severity")
        channels = self.names(given["channels"], *at, "channels")
        for number, channel in enumerate(channels):
            self.one_of(channel, CHANNELS, *at, "channels", number)
        return [Slo(clock, channel, objective, owner, severity, int(floor), burns) for channel in channels]

    def absolute(self) -> Absolute:
        names = ("vip_policies", "longest_wait", "tag_spike", "silent_channel", "chat_unavailable")
        given = self.mapping(("absolute",), names)
        spike = self.mapping(("absolute", "tag_spike"), ("factor", "least"))
        silent = self.mapping(("absolute", "silent_channel"), ("share", "least"))
        waits = {}
        for channel, limit in given["longest_wait"].items():
            self.one_of(channel, CHANNELS, "absolute", "longest_wait", channel)
            waits[channel] = self.duration(limit, "absolute", "longest_wait", channel)
        factor = self.number(spike["factor"], "absolute", "tag_spike", "factor")
        if factor <= 1:
            self.document.refuse(f"{factor:g} times as many is no spike", "absolute", "tag_spike", "factor", fix="3")
        return Absolute(
            self.names(given["vip_policies"], "absolute", "vip_policies"),
            waits,
            factor,
            int(self.number(spike["least"], "absolute", "tag_spike", "least")),
            self.percent(silent["share"], "absolute", "silent_channel", "share"),
            int(self.number(silent["least"], "absolute", "silent_channel", "least")),
            self.duration(given["chat_unavailable"], "absolute", "chat_unavailable"),
        )

    # -- values -------------------------------------------------------------------------------------------------

    def mapping(
        self, at: tuple[str | int, ...], names: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        value = self.document.data
        for key in at:
            value = value[key]
        if not isinstance(value, dict):
            self.document.refuse("is not a mapping", *at, fix=f"give {', '.join(names)}")
        self.document.known(value, (*names, *optional), *at)
        for name in names:
            if value.get(name) is None:
                self.document.refuse(f"{name!r} is missing", *at, fix=f"give {', '.join(names)}")
        return value

    def items(self, value: Any, *at: str | int) -> list[Any]:
        if not isinstance(value, list) or not value:
            self.document.refuse("is no list, or an empty one", *at)
        return value

    def names(self, value: Any, *at: str | int) -> tuple[str, ...]:
        return tuple(str(name) for name in self.items(value, *at))

    def number(self, value: Any, *at: str | int) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.document.refuse(f"{value!r} is no number", *at)
        return float(value)

    def percent(self, value: Any, *at: str | int) -> float:
        number = self.number(value, *at)
        if not 0 < number <= 100:
            self.document.refuse(f"{value} is no percentage", *at, fix="between 0 and 100")
        return round(number / 100, 8)

    def duration(self, value: Any, *at: str | int) -> int:
        length = burn.seconds(str(value))
        if length is None:
            self.document.refuse(f"{value!r} is no duration", *at, fix="write 90s, 10m, 6h or 3d")
        return length

    def one_of(self, value: Any, allowed: tuple[str, ...], *at: str | int) -> str:
        if value not in allowed:
            self.document.refuse(f"{value!r} is not known here", *at, fix=f"use {', '.join(allowed)}")
        return str(value)
