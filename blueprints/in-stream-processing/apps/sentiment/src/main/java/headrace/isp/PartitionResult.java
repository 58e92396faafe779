package headrace.isp;

import java.io.Serializable;

/** What one partition of a batch amounted to. @param oldestReceivedMs of the tweets counted; Long.MAX_VALUE if none */
public record PartitionResult(Counts counts, long rows, long duplicates, long malformed, long oldestReceivedMs)
    implements Serializable {

  public static PartitionResult empty() {
    return new PartitionResult(new Counts(), 0, 0, 0, Long.MAX_VALUE);
  }

  /** The sum of both; takes over this one's counts. */
  public PartitionResult plus(PartitionResult other) {
    counts.merge(other.counts);
    return new PartitionResult(counts, rows + other.rows, duplicates + other.duplicates,
        malformed + other.malformed, Math.min(oldestReceivedMs, other.oldestReceivedMs));
  }
}
