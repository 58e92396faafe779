"""Both classifiers agree on the golden cases: python3 -m unittest in this folder."""

import csv
import pathlib
import unittest

from classifier import Classifier, shipped_model


class ClassifierTest(unittest.TestCase):
    def test_the_independent_classifier_scores_the_golden_cases(self):
        weights, threshold = shipped_model()
        golden = pathlib.Path(__file__).parents[1] / "src/test/resources/classifier.csv"
        with open(golden, newline="", encoding="utf-8") as file:
            for case in csv.DictReader(file):
                with self.subTest(**case):
                    classifier = Classifier(weights, threshold, {"m": case["title"]})
                    self.assertEqual(float(case["score"]), classifier.score("m", case["text"]))


if __name__ == "__main__":
    unittest.main()
