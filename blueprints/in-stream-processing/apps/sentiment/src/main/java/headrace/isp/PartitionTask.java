package headrace.isp;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.catalyst.InternalRow;

/**
 * One partition of a batch on an executor, in one pass: parse, de-duplicate, classify, write tweets and timeline, count.
 * Safe to run again for the same batch (a retried task, a replayed batch): same marks, same rows, same counts.
 * The rows are those of Spark's Kafka source, all columns.
 */
public final class PartitionTask implements FlatMapFunction<Iterator<InternalRow>, PartitionResult> {
  private static final int CHUNK = 512; // messages per round trip to Redis
  private static final int VALUE = 1;
  private static final int PARTITION = 3;
  private static final int OFFSET = 4;

  private final BatchId batch;
  private final Broadcast<Classifier> classifier;
  private final CassandraAddress cassandra;
  private final String redis;

  public PartitionTask(BatchId batch, Broadcast<Classifier> classifier, CassandraAddress cassandra, String redis) {
    this.batch = batch;
    this.classifier = classifier;
    this.cassandra = cassandra;
    this.redis = redis;
  }

  @Override
  public Iterator<PartitionResult> call(Iterator<InternalRow> messages) throws Exception {
    if (!messages.hasNext()) return List.of(PartitionResult.empty()).iterator();
    Run run = new Run();
    while (messages.hasNext()) run.take(messages.next());
    return List.of(run.finish()).iterator();
  }

  private final class Run {
    private final TweetParser parser = new TweetParser();
    private final TweetRows.Writer rows = ExecutorConnections.rows(cassandra).writer();
    private final Seen seen = ExecutorConnections.borrowSeen(redis);
    private final List<Tweet> tweets = new ArrayList<>(CHUNK);
    private final List<String> marks = new ArrayList<>(CHUNK);
    private final Counts counts = new Counts();
    private long read;
    private long duplicates;
    private long malformed;
    private long oldestReceivedMs = Long.MAX_VALUE;

    void take(InternalRow message) throws Exception {
      read++;
      Tweet tweet = parser.parse(message.isNullAt(VALUE) ? null : message.getBinary(VALUE));
      if (tweet == null) {
        malformed++;
        return;
      }
      tweets.add(tweet);
      marks.add(batch.mark(message.getInt(PARTITION), message.getLong(OFFSET)));
      if (tweets.size() == CHUNK) process();
    }

    PartitionResult finish() throws Exception {
      process();
      rows.finish();
      ExecutorConnections.giveBack(seen); // not after an error: then it is closed or of unknown state, and dropped
      return new PartitionResult(counts, read, duplicates, malformed, oldestReceivedMs);
    }

    private void process() throws Exception {
      boolean[] first = seen.claim(tweets, marks);
      for (int i = 0; i < first.length; i++) {
        if (!first[i]) {
          duplicates++;
          continue;
        }
        Tweet tweet = tweets.get(i);
        double score = classifier.value().score(tweet.movie(), tweet.text());
        Sentiment sentiment = classifier.value().sentimentOf(score);
        rows.add(tweet, sentiment, score);
        counts.add(tweet, sentiment);
        oldestReceivedMs = Math.min(oldestReceivedMs, tweet.receivedMs());
      }
      rows.flush();
      tweets.clear();
      marks.clear();
    }
  }
}
