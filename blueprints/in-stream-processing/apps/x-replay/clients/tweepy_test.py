"""tweepy, unchanged, against x-replay.

How it is pointed there: tweepy does its requests through a requests.Session (`client.session`), on which a transport
adapter is mounted for X's host, the way that requests documents; the adapter sends each request to x-replay.
"""
import os
import sys
import urllib.parse

import requests
import tweepy

BASE = os.environ["X_REPLAY_URL"]
TOKEN = os.environ["X_REPLAY_TOKEN"]
MOVIE = '"Silver Tide"'


class ToReplay(requests.adapters.HTTPAdapter):
    def send(self, request, **options):
        target = urllib.parse.urlsplit(request.url)
        base = urllib.parse.urlsplit(BASE)
        request.url = urllib.parse.urlunsplit(target._replace(scheme=base.scheme, netloc=base.netloc))
        return super().send(request, **options)


def pointed(client):
    client.session.mount("https://api.twitter.com", ToReplay())
    return client


def client(token=TOKEN):
    return pointed(tweepy.Client(token))


class Stream(tweepy.StreamingClient):
    """Collects posts and stops after `enough`."""

    def __init__(self, enough, **options):
        super().__init__(TOKEN, max_retries=3, **options)
        self.enough, self.seen, self.rules_seen = enough, [], []

    def on_response(self, response):
        self.seen.append(response)
        self.rules_seen.extend(response.matching_rules)
        if len(self.seen) >= self.enough:
            self.disconnect()


def stream(enough=1):
    return pointed(Stream(enough))


def clear_rules():
    rules = stream().get_rules().data or []
    if rules:
        stream().delete_rules([rule.id for rule in rules])


def a_search_pages_through_the_history():
    posts = list(tweepy.Paginator(client().search_recent_tweets, MOVIE, max_results=20,
                                  tweet_fields=["created_at"]).flatten())
    ids = [post.id for post in posts]
    assert len(ids) > 40 and ids == sorted(set(ids), reverse=True), len(ids)
    assert all("Silver Tide" in post.text and post.created_at for post in posts)


def a_search_expands_authors():
    answer = client().search_recent_tweets(MOVIE, expansions="author_id", user_fields=["public_metrics", "description"])
    users = {user.id: user for user in answer.includes["users"]}
    for post in answer.data:
        user = users[post.author_id]
        assert user.public_metrics["followers_count"] >= 0 and "Synthetic" in user.description


def since_id_gives_what_is_newer():
    page = client().search_recent_tweets(MOVIE, max_results=10)
    since = page.data[4].id
    newer = client().search_recent_tweets(MOVIE, since_id=since, max_results=100)
    ids = [post.id for post in newer.data]
    # Posts go on coming between the two searches.
    assert ids[-4:] == [post.id for post in page.data[:4]] and all(each > since for each in ids), (since, ids)
    assert newer.meta["result_count"] == len(ids)


def wrong_parameters_are_a_bad_request():
    try:
        client().search_recent_tweets("lang:en", max_results=5)
    except tweepy.BadRequest as error:
        assert any("max_results" in message for message in error.api_messages), error.api_messages
    else:
        raise AssertionError("was taken")


def a_wrong_token_is_unauthorized():
    try:
        client("wrong").search_recent_tweets(MOVIE)
    except tweepy.Unauthorized:
        return
    raise AssertionError("was taken")


def rules_are_added_listed_and_deleted():
    clear_rules()
    added = stream().add_rules([tweepy.StreamRule(MOVIE, tag="silver-tide"), tweepy.StreamRule("lang:en")])
    assert added.meta["summary"]["created"] == 1 and added.errors[0]["title"] == "UnprocessableEntity", added
    again = stream().add_rules(tweepy.StreamRule(MOVIE, tag="other"))
    assert again.errors[0]["title"] == "DuplicateRule"
    listed = stream().get_rules().data
    assert [(rule.value, rule.tag) for rule in listed] == [(MOVIE, "silver-tide")]
    deleted = stream().delete_rules(listed[0].id)
    assert deleted.meta["summary"]["deleted"] == 1 and not stream().get_rules().data


def the_stream_brings_matching_posts_with_their_authors():
    clear_rules()
    stream().add_rules(tweepy.StreamRule(MOVIE, tag="silver-tide"))
    reader = stream(enough=5)
    reader.filter(tweet_fields=["created_at"], expansions="author_id", user_fields="public_metrics")
    assert len(reader.seen) >= 5
    for response in reader.seen:
        assert "Silver Tide" in response.data.text and response.data.created_at
        assert response.includes["users"][0].id == response.data.author_id
    assert {rule.tag for rule in reader.rules_seen} == {"silver-tide"}


passed = failed = 0
for test in (a_search_pages_through_the_history, a_search_expands_authors, since_id_gives_what_is_newer,
             wrong_parameters_are_a_bad_request, a_wrong_token_is_unauthorized, rules_are_added_listed_and_deleted,
             the_stream_brings_matching_posts_with_their_authors):
    try:
        test()
        passed += 1
        print("ok   tweepy:", test.__name__.replace("_", " "))
    except Exception as error:  # noqa: BLE001 - each test reports for itself
        failed += 1
        print("FAIL tweepy:", test.__name__.replace("_", " "), "-", repr(error))
print(f"result {passed} {failed}")
sys.exit(failed > 0)
