package headrace.isp;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** The classifier of DATA.md: a model applied to texts about movies with known titles. Immutable; goes to executors. */
public final class Classifier implements Serializable {
  private final Model model;
  private final Map<String, HashSet<String>> titleWords = new HashMap<>();

  /** @param titles movie slug to title; a movie that is not in it has no title words. */
  public Classifier(Model model, Map<String, String> titles) {
    this.model = model;
    titles.forEach((slug, title) -> titleWords.put(slug, new HashSet<>(words(lowerCase(title)))));
  }

  public Sentiment sentimentOf(double score) {
    if (score >= model.threshold()) return Sentiment.positive;
    return score <= -model.threshold() ? Sentiment.negative : Sentiment.neutral;
  }

  public double score(String movie, String text) {
    StringBuilder rest = new StringBuilder(lowerCase(text));
    double score = cutEmoticons(rest);
    Set<String> title = titleWords.getOrDefault(movie, NO_WORDS);
    Set<String> counted = new HashSet<>();
    String before = "";
    for (String word : words(rest)) {
      if (title.contains(word)) continue;
      Double weight = model.weightOf(word);
      if (weight != null && counted.add(word)) score += isNegation(before) ? -weight : weight;
      before = word;
    }
    return score;
  }

  private static final HashSet<String> NO_WORDS = new HashSet<>();

  private static String lowerCase(String text) {
    return text.toLowerCase(Locale.ROOT).replace('\u2019', '\'');
  }

  private static boolean isNegation(String word) {
    return word.equals("not") || word.equals("no") || word.equals("never") || word.endsWith("n't");
  }

  /** Replaces the model's emoticons by spaces; the sum of the weights of the kinds found. */
  private double cutEmoticons(StringBuilder text) {
    double sum = 0;
    for (Model.Emoticon emoticon : model.emoticons()) {
      String sign = emoticon.text();
      boolean found = false;
      for (int at = text.indexOf(sign); at >= 0; at = text.indexOf(sign, at + 1)) {
        if (!standsAlone(text, at, sign)) continue;
        text.replace(at, at + sign.length(), " ");
        found = true;
      }
      if (found) sum += emoticon.weight();
    }
    return sum;
  }

  /** "verdict:don't" holds no ":d": a sign that begins or ends with a letter or digit must not touch another there. */
  private static boolean standsAlone(StringBuilder text, int at, String sign) {
    int end = at + sign.length();
    boolean opens = at == 0 || !Character.isLetterOrDigit(sign.codePointAt(0))
        || !Character.isLetterOrDigit(text.codePointBefore(at));
    boolean closes = end == text.length() || !Character.isLetterOrDigit(sign.codePointBefore(sign.length()))
        || !Character.isLetterOrDigit(text.codePointAt(end));
    return opens && closes;
  }

  /** Runs of letters and apostrophes, without apostrophes at either end. */
  private static List<String> words(CharSequence text) {
    List<String> words = new ArrayList<>();
    int length = text.length();
    int at = 0;
    while (at < length) {
      int begin = at;
      int letters = 0; // end of the last letter of the run, 0 if none
      while (at < length) {
        int c = Character.codePointAt(text, at);
        boolean letter = Character.isLetter(c);
        if (!letter && c != '\'') break;
        at += Character.charCount(c);
        if (letter) letters = at;
        else if (letters == 0) begin = at;
      }
      if (letters > 0) words.add(text.subSequence(begin, letters).toString());
      if (at < length) at += Character.charCount(Character.codePointAt(text, at));
    }
    return words;
  }
}
