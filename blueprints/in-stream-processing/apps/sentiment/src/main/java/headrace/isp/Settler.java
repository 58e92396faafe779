package headrace.isp;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.cql.BatchStatement;
import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.cql.DefaultBatchType;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.cql.Row;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Settles counted batches beside the stream, so that tables stay small and a batch stays short:
 * writes `hour_counts` of the hours touched, folds closed minutes of `minute_counts` to one row per group,
 * then folds the batches' own rows of `job_stats`.
 *
 * <p>What is unsettled is known from `job_stats.touched`, so it outlives a crash. Every step is a sum of a fresh read
 * written as one mutation of one partition; repeating it changes nothing. Only rows of batches before the current one are
 * folded: Spark has committed those and replays none of them. Timestamps are later than all that was read, because the
 * clock of an earlier driver or of an executor may have been ahead of ours.
 */
public final class Settler {
  static final String FOLDED = "folded";
  private static final Logger log = LoggerFactory.getLogger(Settler.class);

  private final CqlSession session;
  private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(run -> {
    Thread t = new Thread(run, "settler");
    t.setDaemon(true);
    return t;
  });

  private final Backlog backlog;
  private boolean recovered;
  private final PreparedStatement minuteRows;
  private final PreparedStatement deleteMinute;
  private final PreparedStatement insertMinute;
  private final PreparedStatement minutesOfHour;
  private final PreparedStatement hourWritten;
  private final PreparedStatement insertHour;
  private final PreparedStatement statsBefore;
  private final PreparedStatement deleteStats;
  private final PreparedStatement insertStats;

  public Settler(CqlSession session, Backlog backlog) {
    this.session = session;
    this.backlog = backlog;
    minuteRows = session.prepare("SELECT grp, query_id, batch_id, positive, negative, neutral, writetime(positive) AS written"
        + " FROM minute_counts WHERE movie = ? AND day = ? AND minute = ?");
    deleteMinute = session.prepare("DELETE FROM minute_counts WHERE movie = ? AND day = ? AND minute = ? AND grp = ?"
        + " AND query_id = ? AND batch_id <= ?");
    insertMinute = session.prepare("INSERT INTO minute_counts (movie, day, minute, grp, query_id, batch_id, positive, negative, neutral)"
        + " VALUES (?, ?, ?, ?, '" + FOLDED + "', 0, ?, ?, ?)");
    minutesOfHour = session.prepare("SELECT grp, positive, negative, neutral FROM minute_counts"
        + " WHERE movie = ? AND day = ? AND minute >= ? AND minute < ?");
    hourWritten = session.prepare("SELECT writetime(positive) AS written FROM hour_counts WHERE movie = ? AND year = ? AND hour = ?");
    insertHour = session.prepare("INSERT INTO hour_counts (movie, year, hour, grp, positive, negative, neutral) VALUES (?, ?, ?, ?, ?, ?, ?)");
    statsBefore = session.prepare("SELECT rows, duplicates, malformed, finished, writetime(finished) AS written"
        + " FROM job_stats WHERE query_id = ? AND batch_id < ?");
    deleteStats = session.prepare("DELETE FROM job_stats WHERE query_id = ? AND batch_id >= 0 AND batch_id < ?");
    insertStats = session.prepare("INSERT INTO job_stats (query_id, batch_id, rows, duplicates, malformed, finished) VALUES (?, -1, ?, ?, ?, ?)");
  }

  public void start(long everyMs) {
    thread.scheduleWithFixedDelay(this::roundOrLog, 0, everyMs, TimeUnit.MILLISECONDS);
  }

  private void roundOrLog() {
    try {
      round(System.currentTimeMillis());
    } catch (Exception later) {
      log.warn("settling failed, goes on in the next round: {}", later.toString());
    }
  }

  private void round(long nowMs) {
    if (!recovered) recover();
    Backlog.Hours due = backlog.hoursToWrite();
    for (MovieMinute.Hour hour : due.hours()) writeHour(hour);
    backlog.wroteHours(due);
    BatchId limit = backlog.limit();
    if (limit == null) return;
    for (MovieMinute minute : backlog.minutesToFold(limit, nowMs)) {
      fold(minute, limit);
      backlog.folded(minute, limit);
    }
    for (BatchId end : backlog.settledBefore(limit, nowMs)) foldStats(end);
  }

  private void recover() {
    for (Row query : session.execute("SELECT DISTINCT query_id FROM job_stats")) {
      String id = query.getString("query_id");
      for (Row row : session.execute(session.prepare("SELECT batch_id, touched FROM job_stats WHERE query_id = ? AND batch_id >= 0").bind(id))) {
        Set<MovieMinute> touched = new HashSet<>();
        for (String text : row.getSet("touched", String.class)) touched.add(MovieMinute.parse(text));
        backlog.recovered(new BatchId(id, row.getLong("batch_id")), touched);
      }
    }
    recovered = true;
  }

  private void writeHour(MovieMinute.Hour hour) {
    Instant begin = Instant.ofEpochMilli(hour.hourMs());
    Instant end = Instant.ofEpochMilli(hour.hourMs() + Period.HOUR);
    int year = Period.yearOf(hour.hourMs());
    Map<Group, long[]> sums = new EnumMap<>(Group.class);
    for (Row row : session.execute(minutesOfHour.bind(hour.movie(), Period.dayOf(hour.hourMs()), begin, end))) addTo(sums, row);
    if (sums.isEmpty()) return;
    long latest = 0;
    for (Row row : session.execute(hourWritten.bind(hour.movie(), year, begin))) latest = Math.max(latest, row.getLong("written"));
    List<BoundStatement> rows = new ArrayList<>();
    sums.forEach((group, n) -> rows.add(insertHour.bind(hour.movie(), year, begin, group.name(), n[0], n[1], n[2])));
    session.execute(Tables.onePartition(rows).setQueryTimestamp(after(latest)));
  }

  private void fold(MovieMinute minute, BatchId limit) {
    int day = Period.dayOf(minute.minuteMs());
    Instant at = Instant.ofEpochMilli(minute.minuteMs());
    record Rows(Group group, String query) {}
    Map<Rows, Long> lastBatches = new HashMap<>();
    Map<Group, long[]> sums = new EnumMap<>(Group.class);
    long latest = 0;
    for (Row row : session.execute(minuteRows.bind(minute.movie(), day, at))) {
      String query = row.getString("query_id");
      BatchId batch = new BatchId(query, row.getLong("batch_id"));
      if (!Backlog.isBefore(batch, limit)) continue;
      addTo(sums, row);
      latest = Math.max(latest, row.getLong("written"));
      if (!query.equals(FOLDED)) lastBatches.merge(new Rows(Group.valueOf(row.getString("grp")), query), batch.number(), Math::max);
    }
    if (lastBatches.isEmpty()) return;
    BatchStatement mutation = BatchStatement.newInstance(DefaultBatchType.LOGGED);
    for (var each : lastBatches.entrySet()) {
      Rows rows = each.getKey();
      mutation = mutation.add(deleteMinute.bind(minute.movie(), day, at, rows.group().name(), rows.query(), each.getValue()));
    }
    for (var sum : sums.entrySet()) {
      long[] n = sum.getValue();
      mutation = mutation.add(insertMinute.bind(minute.movie(), day, at, sum.getKey().name(), n[0], n[1], n[2]));
    }
    session.execute(mutation.setQueryTimestamp(after(latest)));
  }

  private void foldStats(BatchId end) {
    long rows = 0;
    long duplicates = 0;
    long malformed = 0;
    long latest = 0;
    int found = 0;
    Instant finished = Instant.EPOCH;
    for (Row row : session.execute(statsBefore.bind(end.query(), end.number()))) {
      rows += row.getLong("rows");
      duplicates += row.getLong("duplicates");
      malformed += row.getLong("malformed");
      latest = Math.max(latest, row.getLong("written"));
      if (row.getInstant("finished").isAfter(finished)) finished = row.getInstant("finished");
      found++;
    }
    if (found < 2) return;
    BatchStatement mutation = BatchStatement.newInstance(DefaultBatchType.LOGGED)
        .add(deleteStats.bind(end.query(), end.number()))
        .add(insertStats.bind(end.query(), rows, duplicates, malformed, finished));
    session.execute(mutation.setQueryTimestamp(after(latest)));
  }

  private static void addTo(Map<Group, long[]> sums, Row row) {
    long[] sum = sums.computeIfAbsent(Group.valueOf(row.getString("grp")), g -> new long[3]);
    sum[0] += row.getLong("positive");
    sum[1] += row.getLong("negative");
    sum[2] += row.getLong("neutral");
  }

  private static long after(long latestMicros) {
    return Math.max(System.currentTimeMillis() * 1000, latestMicros + 1);
  }
}
