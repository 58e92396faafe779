package headrace.isp;

import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.cql.BoundStatementBuilder;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
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

  // Values are encoded here, once for both tables, as the protocol wants them: the driver's codecs took a fifth of an
  // executor's time.
  private static final ByteBuffer[] GROUPS = names(Group.values());
  private static final ByteBuffer[] SENTIMENTS = names(Sentiment.values());

  private static ByteBuffer[] names(Enum<?>[] values) {
    return Arrays.stream(values).map(value -> utf8(value.name())).toArray(ByteBuffer[]::new);
  }

  private static ByteBuffer utf8(String text) {
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
  }

  private static BoundStatement bind(PreparedStatement statement, ByteBuffer... values) {
    BoundStatementBuilder row = statement.boundStatementBuilder();
    for (int i = 0; i < values.length; i++) row.setBytesUnsafe(i, values[i]);
    return row.build();
  }

  /** Collects rows by partition of their table and writes each partition's as one mutation. */
  public final class Writer {
    private record Day(String movie, int day) {}

    private final Tables.Writer out = tables.writer();
    private final Map<String, Mutation> tweets = new HashMap<>();
    private final Map<Day, Mutation> timelines = new HashMap<>();

    public void add(Tweet t, Sentiment sentiment, double score) throws InterruptedException {
      int chars = t.text().length() + t.user().length() + t.place().length();
      ByteBuffer movie = utf8(t.movie());
      ByteBuffer id = utf8(t.id());
      ByteBuffer created = ByteBuffer.allocate(8).putLong(0, t.createdMs());
      ByteBuffer user = utf8(t.user());
      ByteBuffer followers = ByteBuffer.allocate(4).putInt(0, t.followers());
      ByteBuffer group = GROUPS[t.group().ordinal()];
      ByteBuffer verdict = SENTIMENTS[sentiment.ordinal()];
      ByteBuffer text = utf8(t.text());
      tweets.computeIfAbsent(t.movie(), m -> new Mutation()).add(chars, bind(tweet, movie, id, created, user, followers, group, verdict,
          ByteBuffer.allocate(8).putDouble(0, score), text, utf8(t.place())));
      timelines.computeIfAbsent(new Day(t.movie(), t.day()), d -> new Mutation()).add(chars, bind(timeline, movie,
          ByteBuffer.allocate(4).putInt(0, t.day()), created, id, verdict, group, user, followers, text));
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
