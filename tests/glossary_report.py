"""Prints where replaced words are still in use: `python -m tests.glossary_report [folder] [--comments] [--summary]`."""

import sys

from tests.support.glossary.finder import report

sys.exit(report())
