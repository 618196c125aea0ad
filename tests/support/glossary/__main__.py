"""Prints where replaced words are still in use: `python -m tests.support.glossary [folder]`."""

import sys

from tests.support.glossary.finder import report

sys.exit(report())
