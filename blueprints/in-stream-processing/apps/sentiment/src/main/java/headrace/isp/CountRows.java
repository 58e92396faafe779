package headrace.isp;

import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** What the driver writes for a batch: its rows of `minute_counts`, as absolutes, and its row of `job_stats`. */
public final class CountRows {
  private static final int ROWS_PER_MUTATION = 256;

  private record Partition(String movie, int day) {}

  private final Tables tables;
  private final PreparedStatement minute;
  private final PreparedStatement stats;

  public CountRows(Tables tables) {
    this.tables = tables;
    minute = tables.session().prepare("INSERT INTO minute_counts (movie, day, minute, grp, query_id, batch_id, positive, negative, neutral)"
        + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    stats = tables.session().prepare("INSERT INTO job_stats (query_id, batch_id, rows, duplicates, malformed, finished, touched)"
        + " VALUES (?, ?, ?, ?, ?, ?, ?)");
  }

  /** Returns when all is acknowledged. The same batch with the same result writes the same rows. */
  public void write(BatchId batch, PartitionResult result) throws Exception {
    Tables.Writer out = tables.writer();
    Map<Partition, List<BoundStatement>> partitions = new HashMap<>();
    result.counts().forEach((key, n) -> partitions
        .computeIfAbsent(new Partition(key.movie(), Period.dayOf(key.minuteMs())), p -> new ArrayList<>())
        .add(minute.bind(key.movie(), Period.dayOf(key.minuteMs()), Instant.ofEpochMilli(key.minuteMs()), key.group().name(),
            batch.query(), batch.number(), n[0], n[1], n[2])));
    for (List<BoundStatement> rows : partitions.values()) {
      for (int i = 0; i < rows.size(); i += ROWS_PER_MUTATION) {
        out.write(Tables.onePartition(rows.subList(i, Math.min(rows.size(), i + ROWS_PER_MUTATION))));
      }
    }
    Set<String> touched = new TreeSet<>();
    for (MovieMinute m : MovieMinute.touchedBy(result.counts())) touched.add(m.toString());
    out.write(stats.bind(batch.query(), batch.number(), result.rows(), result.duplicates(), result.malformed(), Instant.now(), touched));
    out.finish();
  }
}
