package headrace.isp;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Weights of words and emoticons and the threshold between neutral and an opinion; immutable. */
public final class Model implements Serializable {
  public record Emoticon(String text, double weight) implements Serializable {}

  private final int version;
  private final double threshold;
  private final Map<String, Double> words = new HashMap<>();
  private final List<Emoticon> emoticons = new ArrayList<>();

  public Model(int version, double threshold, Map<String, Double> weights) {
    this.version = version;
    this.threshold = threshold;
    weights.forEach((entry, weight) -> {
      String key = entry.toLowerCase(Locale.ROOT);
      if (key.codePoints().allMatch(Character::isLetter)) words.put(key, weight);
      else emoticons.add(new Emoticon(key, weight));
    });
    // The longer first, so that ">:(" is not cut as ":("; then by code point, so that the order is one everywhere.
    emoticons.sort(Comparator.comparingInt((Emoticon e) -> -e.text().codePointCount(0, e.text().length()))
        .thenComparing(e -> e.text().codePoints().toArray(), java.util.Arrays::compare));
  }

  public int version() {
    return version;
  }

  public double threshold() {
    return threshold;
  }

  /** Weight of a lower-case word; null if the model does not know it. */
  public Double weightOf(String word) {
    return words.get(word);
  }

  public List<Emoticon> emoticons() {
    return emoticons;
  }
}
