package headrace.isp;

import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Connections of this JVM, opened once and shared by its tasks: opening them per batch would cost more than the batch. */
public final class ExecutorConnections {
  private static TweetRows rows;
  private static final ConcurrentLinkedQueue<Seen> idle = new ConcurrentLinkedQueue<>();

  private ExecutorConnections() {}

  /** One application has one address, so the first caller's holds. */
  public static synchronized TweetRows rows(CassandraAddress address) {
    if (rows == null) rows = new TweetRows(Tables.open(address));
    return rows;
  }

  /** Opens what the first batch would otherwise have to wait for. */
  public static void warmUp(CassandraAddress cassandra, String redis) throws Exception {
    rows(cassandra);
    Seen seen = borrowSeen(redis);
    seen.claim(List.of(), List.of());
    giveBack(seen);
  }

  public static Seen borrowSeen(String address) {
    Seen seen = idle.poll();
    return seen != null ? seen : new Seen(address);
  }

  public static void giveBack(Seen seen) {
    idle.add(seen);
  }
}
