"""The metrics of customer service, by name: the fold says by these what it counts and what its states add up to.

Apart from `schemas.metrics`, which declares them for Prometheus with help texts and labels, because a fold is pure and
reaches no metric. The values are the stored names: alert rules and dashboards of running systems use them.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ServiceMetric"]


class ServiceMetric(StrEnum):
    """Names one counter, histogram or gauge of `schemas.metrics`."""

    # counters and a histogram of observations
    SLA_MET = "deskstream_sla_met_total"
    SLA_BREACHED = "deskstream_sla_breached_total"
    SLA_CORRECTED = "deskstream_sla_corrected_total"
    FIRST_RESPONSE_SECONDS = "deskstream_first_response_seconds"
    CSAT_ANSWERS = "deskstream_csat_answers_total"
    TAGS_APPLIED = "deskstream_tags_applied_total"
    TAG_SUGGESTIONS = "deskstream_tag_suggestions_total"
    ACKNOWLEDGEMENTS = "deskstream_acknowledgements_total"
    UNTRANSLATED = "deskstream_acknowledgements_untranslated_total"
    BRANDS_UNKNOWN = "deskstream_brands_unknown_total"
    PROMISES = "deskstream_promises_total"
    ASSIGNMENTS = "deskstream_assignments_total"
    OVERFLOWS = "deskstream_overflows_total"
    AUTOMATIONS = "deskstream_automations_total"
    OFFERS = "deskstream_offers_total"

    # gauges of the states of tickets
    TICKETS_OPEN = "deskstream_tickets_open"
    TICKETS_AT_RISK = "deskstream_tickets_at_risk"
    TICKETS_OVERDUE = "deskstream_tickets_overdue"
    LONGEST_WAIT_SECONDS = "deskstream_longest_wait_seconds"
    BACKLOG_AGE_SECONDS = "deskstream_backlog_age_seconds"
    WINDOW_CSAT_SCORE_SUM = "deskstream_window_csat_score_sum"
    WINDOW_CSAT_ANSWERS = "deskstream_window_csat_answers"
    FIGURES_READY = "deskstream_figures_ready"

    # gauges of the states of tags
    TAG_SPIKE_CONTACTS = "deskstream_tag_spike_contacts"
    TAG_SPIKE_EXPECTED = "deskstream_tag_spike_expected"

    # gauges of the states of routing
    AGENTS = "deskstream_agents"
    AGENTS_BUSY = "deskstream_agents_busy"
    QUEUE_TICKETS = "deskstream_queue_tickets"
    PRESENCE_SOURCES_SILENT = "deskstream_presence_sources_silent"
