"""A worker one release behind: `python -m tests.support.faults.older_worker [states]`.

It folds as today's does, and writes the version before the newest of the facts that have one. With `states` its state
tables are those of the version before as well, so that it must refuse what today's worker has stored.
"""

from __future__ import annotations

import sys

from schemas.facts import ClockFact, PaneFact, SurveyFact
from stream_processors.__main__ import cli
from stream_processors.tickets.state import Customer
from tests.support.faults.versions import write_earlier

if __name__ == "__main__":
    write_earlier(ClockFact, PaneFact, SurveyFact)
    if sys.argv[1:] == ["states"]:
        Customer.VERSION -= 1
    del sys.argv[1:]
    cli()
