"""What the history of deliveries keeps at its limit."""

from __future__ import annotations

from sinks.delivery.history import DeliveryHistory, their_ids


def test_as_many_outcomes_and_ids_as_the_limit_are_kept() -> None:
    history = DeliveryHistory(limit=2)
    history.add("a", "delivered", ["SM1"])
    history.add("b", "delivered", ["SM2"])
    assert len(history) == 2
    assert history.is_of_another("SM1", "b")
    history.add("c", "bounced", ["SM3"])
    assert [history.done(name, is_replay=False) for name in "abc"] == [False, True, True]
    assert [history.is_of_another(theirs, "x") for theirs in ("SM1", "SM2", "SM3")] == [False, True, True]


def test_only_delivered_text_messages_have_ids_of_the_service() -> None:
    assert their_ids("sms", "delivered", "SM1 SM2") == ["SM1", "SM2"]
    assert their_ids("sms", "bounced", "SM1") == []
    assert their_ids("email", "delivered", "250 ok") == []
