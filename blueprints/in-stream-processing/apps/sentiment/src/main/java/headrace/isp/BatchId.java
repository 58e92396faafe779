package headrace.isp;

import java.io.Serializable;

/** A micro-batch: after a crash Spark replays the last uncommitted one with the same ids over the same messages. */
public record BatchId(String query, long number) implements Serializable {

  /**
   * What marks a message in Redis: it comes back unchanged when the batch is replayed, and with no other message.
   * Eight characters of the query's UUID: a longer value would cost Redis a second allocation for every tweet.
   */
  public String mark(int partition, long offset) {
    return query.substring(0, Math.min(8, query.length())) + "/" + number + "/" + partition + "/" + offset;
  }
}
