"""The recorded log of nine simulated days, and digests of all that the fold makes of it.

Files, all written by `python -m tests.support.proof.record`:

    log.zst             every record of `contact-events` (three partitions) and `routing` (one), and the rules in force
    facts.json          digests of that log, and of the facts, dead letters, counts and deadlines that it folds to: these stay
    states.json         digests of the states: written again when a state's shape gets a new version
    log_v*.zst          the log that the build of that state version recorded
    states_v*.zst       the stored states in the middle of that log, as that build wrote them
"""
