"""The classifier of DATA.md once more, written from that page alone: the tests' independent opinion."""

import csv
import pathlib
import unicodedata

BLUEPRINT = pathlib.Path(__file__).resolve().parents[3]


def shipped_model():
    with open(BLUEPRINT / "model" / "words.csv", newline="", encoding="utf-8") as file:
        weights = {row["word"]: float(row["weight"]) for row in csv.DictReader(file, quoting=csv.QUOTE_NONE)}
    return weights, float((BLUEPRINT / "model" / "threshold.txt").read_text())


def is_letter(character):
    return unicodedata.category(character).startswith("L")


def touches(character):
    return is_letter(character) or unicodedata.category(character) == "Nd"


def tokens(text):
    spaced = "".join(c if is_letter(c) or c == "'" else " " for c in text)
    return [token for token in (word.strip("'") for word in spaced.split()) if token]


class Classifier:
    def __init__(self, weights, threshold, titles):
        self.threshold = threshold
        self.words = {w.lower(): x for w, x in weights.items() if all(map(is_letter, w))}
        signs = {w.lower(): x for w, x in weights.items() if not all(map(is_letter, w))}
        self.signs = sorted(signs.items(), key=lambda item: (-len(item[0]), item[0]))
        self.titles = {slug: set(tokens(title.lower().replace("\u2019", "'"))) for slug, title in titles.items()}

    def score(self, movie, text):
        text = text.lower().replace("\u2019", "'")
        score = 0.0
        for sign, weight in self.signs:
            text, found = cut(text, sign)
            score += weight if found else 0
        left = [token for token in tokens(text) if token not in self.titles.get(movie, ())]
        counted = set()
        for before, word in zip([""] + left, left):
            if word in self.words and word not in counted:
                counted.add(word)
                negated = before in ("not", "no", "never") or before.endswith("n't")
                score += -self.words[word] if negated else self.words[word]
        return score

    def sentiment(self, score):
        return "positive" if score >= self.threshold else "negative" if score <= -self.threshold else "neutral"


def cut(text, sign):
    found, at = False, text.find(sign)
    while at >= 0:
        end = at + len(sign)
        joined = (touches(sign[0]) and at > 0 and touches(text[at - 1])) or \
                 (touches(sign[-1]) and end < len(text) and touches(text[end]))
        if not joined:
            text, found = text[:at] + " " + text[end:], True
        at = text.find(sign, at + 1)
    return text, found
