package headrace.isp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

class ClassifierTest {
  private final Model shipped = new Model(1, Double.parseDouble(Setup.resource("model/threshold.txt")),
      Setup.weights(Setup.resource("model/words.csv")));

  ClassifierTest() throws IOException {}

  @ParameterizedTest
  @CsvFileSource(resources = "/classifier.csv", numLinesToSkip = 1, quoteCharacter = '"', emptyValue = "")
  void theShippedModelScoresTheGoldenCases(String title, String text, double score) {
    assertEquals(score, new Classifier(shipped, Map.of("m", title)).score("m", text), title + " | " + text);
  }

  @Test
  void aMovieWithoutARowHasNoTitleWords() {
    Classifier classifier = new Classifier(shipped, Map.of("great-northern", "Great Northern"));
    assertEquals(0, classifier.score("great-northern", "great"));
    assertEquals(2, classifier.score("unknown", "great"));
  }

  @Test
  void aScoreAtTheThresholdIsAnOpinion() {
    Classifier classifier = new Classifier(new Model(1, 1.0, Map.of()), Map.of());
    assertEquals(Sentiment.positive, classifier.sentimentOf(1.0));
    assertEquals(Sentiment.neutral, classifier.sentimentOf(0.75));
    assertEquals(Sentiment.neutral, classifier.sentimentOf(-0.75));
    assertEquals(Sentiment.negative, classifier.sentimentOf(-1.0));
  }

  @Test
  void emoticonsAreCutTheLongerFirst() {
    Model model = new Model(1, 1.0, Map.of(":(", -1.0, ">:(", -2.0, ":-(", -1.0, "word", 1.0));
    assertEquals(List.of(":-(", ">:(", ":("), model.emoticons().stream().map(Model.Emoticon::text).toList());
    assertEquals(-2.0, new Classifier(model, Map.of()).score("m", "so >:("));
  }

  @Test
  void weightsOfTheShippedModelAreQuartersSoThatSumsAreExact() throws IOException {
    Setup.weights(Setup.resource("model/words.csv")).forEach((word, weight) -> assertEquals(Math.rint(weight * 4), weight * 4, word));
  }
}
