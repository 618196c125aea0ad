"""The probes and counters of a producer process, as its metrics port shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import HTTPConnection

from tests.support.timeouts import eventually


@dataclass(frozen=True)
class Metrics:
    """The pages of one process. `port` is its DESKSTREAM_METRICS_PORT."""

    port: int

    def page(self) -> str:
        return self._get("metrics")[1]

    def _get(self, path: str) -> tuple[int, str]:
        """Status and body. A client that looks for certificates first would cost more than what is tested."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", f"/{path}")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def counted(self, name: str, page: str = "") -> dict[str, float]:
        """Labels → value of the samples of `deskstream_<name>` that are not 0."""
        pattern = re.compile(rf"^deskstream_{name}\{{(.*)\}} (.*)$", re.MULTILINE)
        return {labels: float(value) for labels, value in pattern.findall(page or self.page()) if float(value)}

    def received(self) -> int:
        return self._counts()[0]

    def balance(self) -> tuple[int, int, int, int]:
        """received, published, duplicates, dead-lettered; the first is the sum of the others, whatever happens."""
        received, published, duplicates, dead = eventually(self._balanced, "the balance")
        return received, published, duplicates, dead

    def _balanced(self) -> tuple[int, int, int, int] | None:
        """The counts; None while the page shows an input that is counted in one of them and not yet in the other."""
        received, *became = self._counts()
        return (received, *became) if received == sum(became) else None  # type: ignore[return-value]

    def _counts(self) -> tuple[int, int, int, int]:
        page = self.page()
        received, published, duplicates, dead = (
            int(sum(self.counted(f"contacts_{name}_total", page).values()))
            for name in ("received", "published", "duplicate", "dead_lettered")
        )
        return received, published, duplicates, dead

    def refused(self) -> dict[str, int]:
        """Reason → how many were turned away."""
        labels = self.counted("contacts_refused_total")
        return {re.findall(r'reason="(.*?)"', label)[0]: int(value) for label, value in labels.items()}

    def ready(self) -> bool:
        return self._answers("readyz")

    def live(self) -> bool:
        return self._answers("livez")

    def _answers(self, probe: str) -> bool:
        try:
            return self._get(probe)[0] == 200
        except OSError:
            return False
