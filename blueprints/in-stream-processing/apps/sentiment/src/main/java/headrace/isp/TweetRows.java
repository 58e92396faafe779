package headrace.isp;

import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The tables `tweets` and `timeline`. Shared by threads; each takes its own {@link Writer}. */
public final class TweetRows {
  private static final int ROWS_PER_MUTATION = 128;
  private static final int CHARS_PER_MUTATION = 256 * 1024; // far below Cassandra's limit, whatever a text holds

  private final Tables tables;
  private final PreparedStatement tweet;
  private final PreparedStatement timeline;

  public TweetRows(Tables tables) {
    this.tables = tables;
    tweet = tables.session().prepare("INSERT INTO tweets (movie, id, created, user, followers, grp, sentiment, score, text, place)"
        + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    timeline = tables.session().prepare("INSERT INTO timeline (movie, day, created, id, sentiment, grp, user, followers, text)"
        + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  }

  public Writer writer() {
    return new Writer();
  }

  /** Collects rows by partition of their table and writes each partition's as one mutation. */
  public final class Writer {
    private record Day(String movie, int day) {}

    private final Tables.Writer out = tables.writer();
    private final Map<String, Mutation> tweets = new HashMap<>();
    private final Map<Day, Mutation> timelines = new HashMap<>();

    public void add(Tweet t, Sentiment sentiment, double score) throws InterruptedException {
      int chars = t.text().length() + t.user().length() + t.place().length();
      Instant created = Instant.ofEpochMilli(t.createdMs());
      tweets.computeIfAbsent(t.movie(), m -> new Mutation()).add(chars,
          tweet.bind(t.movie(), t.id(), created, t.user(), t.followers(), t.group().name(), sentiment.name(), score, t.text(), t.place()));
      timelines.computeIfAbsent(new Day(t.movie(), t.day()), d -> new Mutation()).add(chars,
          timeline.bind(t.movie(), t.day(), created, t.id(), sentiment.name(), t.group().name(), t.user(), t.followers(), t.text()));
    }

    /** Sends what was collected. */
    public void flush() throws InterruptedException {
      for (Mutation mutation : tweets.values()) mutation.send();
      for (Mutation mutation : timelines.values()) mutation.send();
      tweets.clear();
      timelines.clear();
    }

    /** Returns when all rows are acknowledged. */
    public void finish() throws Exception {
      flush();
      out.finish();
    }

    private final class Mutation {
      private final List<BoundStatement> rows = new ArrayList<>();
      private int chars;

      void add(int more, BoundStatement row) throws InterruptedException {
        if (rows.size() == ROWS_PER_MUTATION || chars + more > CHARS_PER_MUTATION) send();
        rows.add(row);
        chars += more;
      }

      void send() throws InterruptedException {
        if (!rows.isEmpty()) out.write(Tables.onePartition(rows));
        rows.clear();
        chars = 0;
      }
    }
  }
}
