"""The replaced words, one row each: the word, what to say instead, and the form in which it is refused.

Some replaced words are also ordinary words or fields of Kafka (`turn`, `mark`, `left`, `share`). Such a word is refused
only in the form that had the private meaning: as a class, as a function, as a field in one package, as a file name.

Every pattern is matched against the whole name in snake case without leading underscores, so `_TurnState` is
`turn_state`:

- `parts` matches a run of words of the name (`turn` matches `turn_state` and `next_turn`, not `return_state`),
- `names` the whole name, `functions` a function that is defined or called, `classes` a class or what looks like one,
- `fields` an attribute, a keyword argument or an annotated field of a class,
- `files` a file or folder without its extension and without `test_`,
- `prose` the running text: documents, help, names of test functions (read as a sentence), docstrings and comments.
"""

from __future__ import annotations

from dataclasses import dataclass

FOLD = ("stream_processors", "tests/stream_processors", "tests/support/tickets")
TICKETS = ("stream_processors/tickets", "tests/stream_processors/tickets", "tests/support/tickets")
SINKS = ("sinks", "tests/sinks")
TESTS = ("tests",)


@dataclass(frozen=True)
class Word:
    """One row: the replaced word, its replacement, and regular expressions of the refused forms."""

    old: str
    say: str
    parts: str = ""
    names: str = ""
    functions: str = ""
    classes: str = ""
    fields: str = ""
    files: str = ""
    prose: str = ""
    #: Folders that the word is refused in; empty: everywhere.
    under: tuple[str, ...] = ()
    #: Folders in which the word has its ordinary meaning.
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Allowed:
    """A name that keeps a replaced word, and the reason."""

    #: A regular expression for the whole name as written; in running text it is left out before words are looked for.
    name: str
    reason: str
    #: Folder or file that the entry holds for; empty: everywhere.
    where: str = ""


WORDS = (
    # -- the fold of tickets ---------------------------------------------------------------------------------------
    Word(
        "turn",
        "FoldContext, context",
        parts=r"(?<!bot_)turns?",
        under=FOLD,
    ),
    Word("turn", "context", classes="turn", prose=r"\b(?:this|each|every|same) turns?\b|\bthe turn\b(?! of the bot)"),
    Word(
        "happening",
        "an observation",
        parts="happenings?",
        prose=r"\bhappenings\b|\b(?:an?|each|every|this|one) happening\b",
    ),
    Word("note(...)", "observe(...)", functions="note", under=TICKETS),
    Word("station", "StatusChange", parts="stations?", prose=r"\bstations?\b"),
    Word("stand", "record_status", functions="stand", under=FOLD),
    Word("timeline", "status_history", functions="timeline", files="timeline", under=FOLD),
    Word("spell", "TimeInStatus", parts="spells?", prose=r"\bspells?\b"),
    Word("Share", "ClockShare", classes="share"),
    Word("Waits", "NextResponseTotals", classes="waits"),
    Word("keep_time", "ticket_metrics", names="keep_time", files="keep_time"),
    Word("measure_sla", "sla/clocks", names="measure_sla", files="measure_sla"),
    Word("Mark", "MergedInto", classes="mark", under=FOLD),
    Word("Away", "MovedTicket (merge), ServiceUnavailable (delivery)", classes="away", under=(*FOLD, *SINKS)),
    Word("Links", "MergeHistory", classes="links", under=FOLD),
    Word("lift", "version_offset", names="lift", under=FOLD),
    Word("joined", "merged_from", fields="joined", under=FOLD),
    Word(
        "left",
        "abandoned",
        fields="left",
        under=(*TICKETS, "stream_processors/routing", "tests/stream_processors/routing"),
    ),
    Word(
        "taken",
        "answered_call",
        fields="taken",
        under=(*TICKETS, "stream_processors/routing", "tests/stream_processors/routing"),
    ),
    Word("rang_at", "ringing_since", names="rang_at"),
    Word("answered_in", "answered_conversations", names="answered_in"),
    Word("by_machine", "opened_by_machine", names="by_machine"),
    Word("promised", "promised_time", names="promised", files="promised", under=FOLD),
    Word(
        "figures",
        "metrics, gauges, counters; StateGauges",
        parts="figures?",
        prose=r"\b(?:service|team|state|kinds? of) figures?\b",
        outside=("tests/benchmarks",),
    ),
    Word("service_counts", "counters", names="service_counts", files="service_counts"),
    # -- routing ---------------------------------------------------------------------------------------------------
    Word("Standing", "QueueEntry", parts="standings?", prose=r"\bstandings\b"),
    Word(
        "told",
        "describe, presence_facts",
        names="told",
        files="told",
        under=("stream_processors/routing", "tests/stream_processors/routing"),
    ),
    # -- rules -----------------------------------------------------------------------------------------------------
    Word("rulebook", "RulesetHistory", parts="rule_?books?", prose=r"\brulebooks?\b"),
    Word("edition", "version", parts="editions?", prose=r"\beditions?\b"),
    Word("rulekeeper", "reloader", parts="rule_?keepers?", prose=r"\brulekeepers?\b"),
    Word("rulelog", "rules topic", parts="rule_?log", prose=r"\brulelog\b"),
    Word("publications", "published_rulesets", parts="publications?", prose=r"\bpublications\b"),
    Word("heal", "reorder_buffer", parts="heals?|healed|healing", prose=r"\bheal(?:s|ed|ing)?\b"),
    # -- producers and dead letters ----------------------------------------------------------------------------------
    Word("door", "webhook_endpoint, WebhookEndpoint, endpoints", parts="doors?", prose=r"\bdoors?\b"),
    Word(
        "letter, letters",
        "dead_letter",
        parts=r"(?<!dead_)letters?|dead_?letters?(?<!dead_letters)(?<!dead_letter)",
        prose=r"(?<!dead )(?<!dead-)(?<!capital )(?<!small )\bletters?\b(?!,? (?:and|or) digits)",
    ),
    Word("letterbox", "dead_letter_reader", parts="letter_?box", prose=r"\bletterbox\b"),
    Word("letteroptions", "dead_letter_options", parts="letter_?options(?<!dead_letter_options)"),
    Word("again", "replay_one", functions="again", under=("producers", "schemas", "sinks")),
    Word("again", "replay_one", files="again"),
    Word("takers", "replay_handlers", parts="takers?", prose=r"\btakers?\b"),
    Word("byhand", "admin", parts="by_?hand"),
    Word("mark_of", "replay_marker", names="mark_of"),
    Word("spot", "position", parts="spots?"),
    Word("Given", "InputContext", classes="given", names="given_fields"),
    Word("Partly", "PartialBatch", names="partly"),
    Word("told_at", "signed_at", names="told_at"),
    Word("heads", "request_timeout", files="heads"),
    Word("connected", "reconnect", files="connected"),
    Word("import_memory", "checkpoint", names="import_memory", files="import_memory"),
    Word("sealed", "signed_token", parts="sealed", prose=r"\bsealed\b"),
    # -- sinks -----------------------------------------------------------------------------------------------------
    Word("deliver", "delivery sink", files="deliver", under=SINKS),
    Word("delivered", "delivery_history", classes="delivered", files="delivered", under=SINKS),
    Word("Tried", "Attempt", classes="tried"),
    Word("lane", "offset_tracker (webhooks)", parts="lanes?", prose=r"\blanes?\b"),
    Word("gate", "probe_queue", parts="gates?", prose=r"\bgates?\b"),
    Word("verdict", "retry_decision", parts="verdicts?", prose=r"\bverdicts?\b"),
    Word("journal", "delivery_log", parts="journals?", prose=r"\bjournals?\b"),
    Word("serve", "server", files="serve"),
    # -- deploy/local ------------------------------------------------------------------------------------------------
    Word("tether", "parent_watch", parts="tether(?:s|ed)?", prose=r"\btether(?:s|ed)?\b"),
    Word("child", "process", parts="child|children", under=("deploy", "tests/deploy")),
    Word("aot", "ahead_of_time_cache", parts="aot"),
    # -- tests -------------------------------------------------------------------------------------------------------
    Word("kin", "duplicate_customers", parts="kin"),
    Word("wishes", "opt_outs", parts="wishes", prose=r"\bwishes\b"),
    Word("seekers", "self_service", parts="seekers?", under=TESTS),
    Word("visitors", "chats", files="visitors", classes="visitors", under=TESTS),
    Word("callers", "calls", files="callers", classes="callers", under=TESTS),
    Word("colleagues", "handovers", files="colleagues", classes="colleagues", under=TESTS),
    Word("ways", "paths", parts="ways"),
    Word("patience", "timeout", parts="patience"),
    Word("unread", "undecodable", files="unread", under=TESTS),
)

ALLOWED = (
    Allowed("children", "a method of psutil, which names the processes below one", "tests/deploy"),
    Allowed(
        "0020_pane_figures", "databases record an applied migration under this name", "sinks/clickhouse/migrations"
    ),
    Allowed(
        "FIGURES_READY|deskstream_figures_ready",
        "the stored name of a metric: alert rules and dashboards of running systems use it",
    ),
    Allowed("_?(?:is_letter|letters_in|LATIN_LETTERS_PER_CJK|BASE64_LETTERS)", "letters of an alphabet"),
    Allowed("[a-z_]*letters[a-z_]*", "letters of an alphabet, in the names of examples", "tests/examples"),
    Allowed(
        "_note", "writes the row of an internal note, as help desks call it", "stream_processors/tickets/record.py"
    ),
    Allowed("old_letter", "a reason in stored dead letters and the value of a metric's label"),
    Allowed(
        "deskstream-doors",
        "the name of an optional Secret in running clusters: under a new name every endpoint would close silently",
    ),
    Allowed(
        "_?[a-z_]*patience[a-z_]*|_?[A-Z_]*PATIENCE[A-Z_]*",
        "queueing theory calls the time after which a waiting customer gives up patience",
        "producers/simulation",
    ),
)
