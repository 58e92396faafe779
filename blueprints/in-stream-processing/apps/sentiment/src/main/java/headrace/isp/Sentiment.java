package headrace.isp;

/** What a tweet says about its movie. The names are stored; the order is that of the counters. */
public enum Sentiment {
  positive,
  negative,
  neutral
}
