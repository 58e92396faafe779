package headrace.isp;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import org.apache.spark.sql.streaming.SourceProgress;
import org.apache.spark.sql.streaming.StreamingQueryListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the status what Spark reports after each trigger: that there was one, how far behind it is, and what Kafka lost. */
public final class Progress extends StreamingQueryListener {
  private static final Logger log = LoggerFactory.getLogger(Progress.class);
  private final Status status;
  private final ObjectMapper json = new ObjectMapper();

  public Progress(Status status) {
    this.status = status;
  }

  @Override
  public void onQueryStarted(QueryStartedEvent event) {}

  @Override
  public void onQueryIdle(QueryIdleEvent event) {
    status.triggered();
    status.progressed(0, 0);
  }

  @Override
  public void onQueryProgress(QueryProgressEvent event) {
    log.debug("batch {}: {} messages, ms: {}", event.progress().batchId(), event.progress().numInputRows(), event.progress().durationMs());
    for (SourceProgress source : event.progress().sources()) {
      try {
        long behind = distance(source.endOffset(), source.latestOffset());
        long lost = source.startOffset() == null ? 0 : distance(source.startOffset(), source.endOffset()) - source.numInputRows();
        if (lost > 0) log.warn("batch {}: {} offsets held no message: lost to the topic's retention", event.progress().batchId(), lost);
        status.progressed(behind, Math.max(0, lost));
      } catch (IOException unreadable) {
        log.warn("progress of the Kafka source: {}", unreadable.toString());
      }
    }
    status.triggered();
  }

  @Override
  public void onQueryTerminated(QueryTerminatedEvent event) {}

  /** Messages between two offsets of the source: {"topic":{"partition":offset}}; a partition new in `to` counts from its begin. */
  long distance(String from, String to) throws IOException {
    if (from == null || to == null) return 0;
    JsonNode begin = json.readTree(from);
    long sum = 0;
    for (var topic : json.readTree(to).properties()) {
      for (var partition : topic.getValue().properties()) {
        sum += partition.getValue().asLong() - begin.path(topic.getKey()).path(partition.getKey()).asLong(0);
      }
    }
    return sum;
  }
}
