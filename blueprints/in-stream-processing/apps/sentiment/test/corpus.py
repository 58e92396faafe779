"""Messages for the topic, deterministic from a seed, and the truth about them in the form of `x-replay truth`.

Harder than x-replay's corpus on purpose: ids shared by two movies, second messages of a tweet with another text, edges
of groups, minutes, hours and days, unknown movies, every kind of malformed message, texts of any words.
"""

import json
import random

from classifier import BLUEPRINT, Classifier, shipped_model

MALFORMED = [
    lambda m: b"",
    lambda m: b"no json",
    lambda m: json.dumps(m).encode()[:-1],
    lambda m: json.dumps(m).encode() + b"{}",
    lambda m: json.dumps([m]).encode(),
    lambda m: json.dumps({k: v for k, v in m.items() if k != "followers"}).encode(),
    lambda m: json.dumps({**m, "id": int(m["id"])}).encode(),
    lambda m: json.dumps({**m, "id": "12x"}).encode(),
    lambda m: json.dumps({**m, "created_ms": str(m["created_ms"])}).encode(),
    lambda m: json.dumps({**m, "created_ms": -1}).encode(),
    lambda m: json.dumps({**m, "created_ms": 2**63}).encode(),
    lambda m: json.dumps({**m, "followers": 1.5}).encode(),
    lambda m: json.dumps({**m, "text": None}).encode(),
    lambda m: json.dumps({**m, "movie": ""}).encode(),
    lambda m: json.dumps(m).replace('"user"', '"id"').encode(),
    lambda m: json.dumps(m).encode().replace(b'"text": "', b'"text": "\xff'),
]
FOLLOWERS = [0, 1, 499, 500, 501, 777, 5000, 5001, 2**31 - 1]
FILLER = ["the", "film", "'s", "we", "saw", "it", "not", "no", "never", "wasn't", "isn\u2019t", "tonight", "42", "ünder", "\u00e9t\u00e9", "https://t.example/x", "#", ","]


class Corpus:
    """messages: [(key, value)] as bytes, in the order to send them; truth: what the tables must hold then."""

    def __init__(self, seed, count, now_ms, duplicates=0.05, malformed=0.02, span_ms=3 * 86_400_000):
        dice = random.Random(seed)
        movies = json.loads((BLUEPRINT / "schema" / "movies.json").read_text())
        self.titles = {movie["slug"]: movie["title"] for movie in movies}
        weights, threshold = shipped_model()
        self.classifier = Classifier(weights, threshold, self.titles)
        slugs = list(self.titles) + ["unknown movie"]
        words = list(weights)
        begin = now_ms - span_ms
        sent, self.messages = [], []
        self.truth = {"lines": count, "tweets": 0, "duplicates": 0, "malformed": 0, "posts": {}, "minutes": []}
        minutes = {}
        for number in range(count):
            message = {
                "id": str(10**15 + seed * 10**9 + number),
                "movie": dice.choice(slugs),
                "text": self.text(dice, words),
                "created_ms": begin + self.moment(dice, span_ms),
                "user": f"user_{dice.randrange(1000)}",
                "followers": dice.choice(FOLLOWERS),
                "place": dice.choice(["", "", "Weirfield"]),
                "lang": "en",
                "received_ms": now_ms,
            }
            draw = dice.random()
            if draw < malformed:
                self.send(message["id"], dice.choice(MALFORMED)(message))
                self.truth["malformed"] += 1
                continue
            if draw < malformed + duplicates and sent:
                # Now and then right behind the first one, mostly long after it; with another text, which must not win.
                old = sent[-1] if dice.random() < 0.2 else dice.choice(sent)
                self.send(old["id"], json.dumps({**old, "text": old["text"] + " awful", "received_ms": now_ms + 1}).encode())
                self.truth["duplicates"] += 1
                continue
            if sent and dice.random() < 0.02:  # one tweet about two movies: two messages, both counted
                other = dice.choice(sent)
                if f'{message["movie"]}/{other["id"]}' not in self.truth["posts"]:
                    message.update(id=other["id"], user=other["user"], created_ms=other["created_ms"])
            sent.append(message)
            self.send(message["id"], json.dumps(message, ensure_ascii=dice.random() < 0.5).encode())
            self.count(message, minutes)
        self.truth["minutes"] = [
            {"movie": key[0], "minute": key[1], "group": key[2], **counts} for key, counts in sorted(minutes.items())]

    def send(self, key, value):
        self.messages.append((key.encode(), value))

    @staticmethod
    def moment(dice, span_ms):
        if dice.random() < 0.8:  # crowded, so that minutes hold many tweets of many batches
            return dice.randrange(span_ms - 600_000, span_ms)
        edge = dice.randrange(span_ms // 3_600_000) * 3_600_000
        return max(0, edge + dice.choice([-1, 0, 1, 59_999, 60_000]))

    @staticmethod
    def text(dice, words):
        parts = [dice.choice(words) if dice.random() < 0.4 else dice.choice(FILLER) for _ in range(dice.randrange(12))]
        if dice.random() < 0.3:
            parts.insert(0, dice.choice(["Silver Tide", "GREAT NORTHERN", "A Quiet Orbit"]))
        return dice.choice(["", " ", ", "]).join(parts) if dice.random() < 0.2 else " ".join(parts).capitalize()

    def count(self, message, minutes):
        score = self.classifier.score(message["movie"], message["text"])
        sentiment = self.classifier.sentiment(score)
        followers = message["followers"]
        group = "low" if followers <= 500 else "middle" if followers <= 5000 else "high"
        self.truth["tweets"] += 1
        self.truth["posts"][f'{message["movie"]}/{message["id"]}'] = {
            "movie": message["movie"], "id": message["id"], "sentiment": sentiment, "score": score, "group": group,
            "user": message["user"], "followers": followers, "created_ms": message["created_ms"],
            "place": message["place"], "text": message["text"]}
        key = (message["movie"], message["created_ms"] // 60_000 * 60_000, group)
        counts = minutes.setdefault(key, {"positive": 0, "negative": 0, "neutral": 0})
        counts[sentiment] += 1
