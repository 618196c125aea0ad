"""The survey pages as a customer's browser and a mail scanner see them: a real process, a real Kafka."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from producers.channels.survey import HUMAN_SECONDS
from producers.sources.http.survey import link_to
from schemas import survey_link
from schemas.events import SurveyAnswered
from schemas.settings import ProducerSettings
from schemas.survey_link import SurveyLink
from tests.conftest import Deployment
from tests.producers.test_http import Server, serving
from tests.support.producers.log_reader import dead_letters, events, free_port

pytestmark = pytest.mark.stack

SECRETS = {"DESKSTREAM_SURVEY_SECRETS": "new-secret, old-secret"}
DAY = 86_400_000_000


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    with serving(deployment, **SECRETS) as server:
        yield server


def link(
    *, locale: str = "en", episode: int = 1, expires_in: int = DAY, secrets: tuple[str, ...] = ("new-secret",)
) -> str:
    """The path of a survey."""
    asked = SurveyLink("ABCDEFGHIJKL-1", episode, "mei", time.time_ns() // 1000 + expires_in, locale)
    return survey_link.url("", asked, secrets)


def hidden(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def test_opening_a_link_changes_nothing_and_the_button_votes(deployment: Deployment, server: Server) -> None:
    path = link(locale="ja", secrets=("old-secret",))
    for _ in range(3):
        assert server.client.head(path).status_code == 200
        assert server.client.get(path, headers={"user-agent": "mail scanner"}).status_code == 200
        assert server.client.get(f"{path}?csat=5").text.count(" checked") == 1  # chosen, not voted
    assert events(deployment) == [] and server.counted("received") == {}

    page = server.client.get(path)
    time.sleep(2.1)  # the product under test measures this wall time: a person reads the page
    answer = server.client.post(path, data={"page": hidden(page, "page"), "csat": "5", "ces": "7", "comment": "早い"})
    assert answer.status_code == 200 and "ありがとう" in answer.text and 'name="vote"' not in answer.text
    again = server.client.post(path, data={"page": hidden(page, "page"), "csat": "5", "ces": "7", "comment": "早い"})
    assert again.status_code == 200
    [vote] = events(deployment)
    assert isinstance(vote, SurveyAnswered)
    assert (vote.ticket_id, vote.customer_tag, vote.episode, vote.agent_id) == (
        "ABCDEFGHIJKL-1",
        "ABCDEFGHIJKL",
        1,
        "mei",
    )
    assert (vote.csat, vote.ces, vote.comment, vote.language, vote.scanner) == (5, 7, "早い", "ja", False)
    assert sum(server.counted("received").values()) == 2
    assert sum(server.counted("published").values()) == sum(server.counted("duplicate").values()) == 1


def test_a_low_score_is_asked_why_and_every_answer_is_kept(deployment: Deployment, server: Server) -> None:
    path = link()
    first = server.client.post(path, data={"csat": "1"})  # at once, and without the page: as a machine would
    action = re.search(r'action="([^"]+)"', first.text)
    assert first.status_code == 200 and action
    more = first.url.join(action[1])
    empty = server.client.post(more, data={"vote": hidden(first, "vote"), "went_wrong": " "})
    assert empty.status_code == 422 and "Please write something first" in empty.text
    told = server.client.post(more, data={"vote": hidden(empty, "vote"), "went_wrong": "Nobody called"})
    assert told.status_code == 200 and "look into it" in told.text
    opened, page = time.monotonic(), server.client.get(path)
    assert server.client.post(path, data={"page": hidden(page, "page"), "csat": "4"}).status_code == 200
    took = time.monotonic() - opened
    low, why, changed = sorted(events(deployment), key=lambda event: event.occurred_at)
    assert [(low.csat, low.went_wrong), (why.csat, why.went_wrong), (changed.csat, changed.went_wrong)] == [
        (1, ""), (1, "Nobody called"), (4, ""),
    ]  # fmt: skip
    assert len({low.event_id, why.event_id, changed.event_id}) == 3
    assert low.survey_id == why.survey_id == changed.survey_id
    assert low.scanner
    assert changed.scanner or took >= HUMAN_SECONDS, "nobody reads a page in no time"


def test_a_useless_link_is_explained_and_its_reason_counted(deployment: Deployment, server: Server) -> None:
    good = link()
    cases = {
        "garbled_link": (good[:-9] + "!", 404),
        "forged_link": (link(secrets=("guess",)), 403),
        "expired_link": (link(expires_in=-1), 410),
    }
    for reason, (path, status) in cases.items():
        answers = [
            server.client.get(path, headers={"accept-language": "ja"}),
            server.client.post(path, data={"csat": "5"}),
            server.client.post(f"{path}/more", data={"went_wrong": "x"}),
        ]
        assert [answer.status_code for answer in answers] == [status] * 3, reason
        assert server.client.head(path).status_code == status
        assert all('role="alert"' in answer.text for answer in answers)
        assert 'lang="ja"' in answers[0].text
    nobody = server.client.post(f"{good}/more", data={"went_wrong": "x", "vote": "y"})
    assert nobody.status_code == 403
    refused = {re.search('reason="(.*)"', labels)[1]: n for labels, n in server.counted("refused").items()}  # type: ignore[index]
    assert refused == {"garbled_link": 4, "forged_link": 4, "expired_link": 4, "bad_vote": 1}
    assert events(deployment) == dead_letters(deployment) == []


def test_a_refused_page_comes_back_with_what_was_typed(deployment: Deployment, server: Server) -> None:
    path = link()
    page = server.client.get(path)
    typed = {"page": hidden(page, "page"), "comment": "<b>slow</b>"}
    nothing_chosen = server.client.post(path, data=typed)
    assert nothing_chosen.status_code == 422
    assert "&lt;b&gt;slow&lt;/b&gt;" in nothing_chosen.text and "Please choose" in nothing_chosen.text
    assert hidden(nothing_chosen, "page") == hidden(page, "page")
    assert server.client.post(path, data={"csat": "9"}).status_code == 422
    assert server.client.post(path, json={"csat": "5"}).status_code == 415
    assert server.client.post(path, data={"comment": "x" * 300_000}).status_code == 413
    bad = server.client.post(path, content=b"csat=%ff", headers={"content-type": "application/x-www-form-urlencoded"})
    assert bad.status_code == 400
    assert events(deployment) == []


def test_without_kafka_a_vote_stays_on_the_page(deployment: Deployment) -> None:
    closed = {"DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    with serving(deployment, await_ready=False, **SECRETS, **closed) as server:
        path = link()
        page = server.client.get(path)
        answer = server.client.post(path, data={"page": hidden(page, "page"), "csat": "2", "comment": "slow"})
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
        assert "press the button again" in answer.text and ">\nslow</textarea>" in answer.text
        assert hidden(answer, "page") == hidden(page, "page")  # sent again, it is the same vote
        assert server.counted("received") == {}
        assert server.counted("refused") == {'channel="survey",reason="unavailable"': 1}


def test_the_surveys_process_serves_surveys_and_unsubscriptions(deployment: Deployment) -> None:
    settings = ProducerSettings(survey_secrets=SecretStr("new-secret"), survey_url="https://help.example")
    url = httpx.URL(link_to(settings, "abcdefghijkl-3", locale="ja"))
    with serving(deployment, process="surveys", **SECRETS) as server:
        shown = server.client.get(url.path)
        assert shown.status_code == 200 and "ABCDEFGHIJKL-3" in shown.text and 'lang="ja"' in shown.text
        assert server.client.post("/v1/form", data={}).status_code == 404
        assert {path.split("/")[1] for path in server.client.get("/openapi.json").json()["paths"]} == {"s", "u"}
