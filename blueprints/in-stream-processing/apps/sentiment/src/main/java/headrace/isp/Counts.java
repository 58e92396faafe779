package headrace.isp;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/** Tweets counted by movie, minute and author group, one counter per sentiment. Mergeable; goes from executors to the driver. */
public final class Counts implements Serializable {
  public record Key(String movie, long minuteMs, Group group) implements Serializable {}

  private final Map<Key, long[]> counters = new HashMap<>();

  public void add(Tweet tweet, Sentiment sentiment) {
    of(new Key(tweet.movie(), tweet.minuteMs(), tweet.group()))[sentiment.ordinal()]++;
  }

  public void merge(Counts other) {
    other.counters.forEach((key, values) -> {
      long[] mine = of(key);
      for (int i = 0; i < mine.length; i++) mine[i] += values[i];
    });
  }

  /** Calls with each key and its counters in the order of {@link Sentiment}. */
  public void forEach(BiConsumer<Key, long[]> visit) {
    counters.forEach(visit);
  }

  private long[] of(Key key) {
    return counters.computeIfAbsent(key, k -> new long[Sentiment.values().length]);
  }
}
