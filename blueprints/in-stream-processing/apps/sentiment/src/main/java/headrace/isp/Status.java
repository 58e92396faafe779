package headrace.isp;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** What the job tells about itself over HTTP: `/health` (200 once it can work) and `/metrics` (Prometheus). */
public final class Status {
  private boolean triggered;
  private boolean connected;
  private long batches;
  private long rows;
  private long duplicates;
  private long malformed;
  private long lost;
  private long behind;
  private long lastBatch = -1;
  private int modelVersion;
  private double batchSeconds;
  private double lastBatchSeconds;
  private double lastQueryableSeconds;
  private double lastFinished;

  /** Serves from a thread of its own that does not keep the process alive. */
  public void serve(String bind, int port) throws IOException {
    HttpServer server = HttpServer.create(new InetSocketAddress(bind, port), 16);
    server.createContext("/", exchange -> {
      switch (exchange.getRequestURI().getPath()) {
        case "/health" -> answer(exchange, isReady() ? 200 : 503, isReady() ? "ready\n" : "not yet\n");
        case "/metrics" -> answer(exchange, 200, metrics());
        default -> answer(exchange, 404, "/health, /metrics\n");
      }
    });
    server.start();
  }

  private static void answer(HttpExchange exchange, int code, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    exchange.sendResponseHeaders(code, body.length);
    try (OutputStream out = exchange.getResponseBody()) {
      out.write(body);
    }
  }

  public synchronized boolean isReady() {
    return triggered && connected;
  }

  /** A trigger has completed: the topic is there. */
  public synchronized void triggered() {
    triggered = true;
  }

  /** Executors are there and reach Cassandra and Redis. */
  public synchronized void connected() {
    connected = true;
  }

  public synchronized void wrote(long batch, PartitionResult result, int model, double seconds) {
    batches++;
    rows += result.rows();
    duplicates += result.duplicates();
    malformed += result.malformed();
    lastBatch = batch;
    modelVersion = model;
    batchSeconds += seconds;
    lastBatchSeconds = seconds;
    lastFinished = System.currentTimeMillis() / 1000.0;
    if (result.rows() > 0) connected = true; // though a warm-up may have failed
    if (result.oldestReceivedMs() != Long.MAX_VALUE) lastQueryableSeconds = lastFinished - result.oldestReceivedMs() / 1000.0;
  }

  /** @param behindNow messages in the topic beyond the last batch; @param lostNow offsets of the batch that gave no message */
  public synchronized void progressed(long behindNow, long lostNow) {
    behind = behindNow;
    lost += lostNow;
  }

  synchronized String metrics() {
    StringBuilder out = new StringBuilder();
    metric(out, "batches_total", "counter", "Micro-batches written since the start of this process", batches);
    metric(out, "rows_total", "counter", "Messages read", rows);
    metric(out, "duplicates_total", "counter", "Messages of tweets already counted", duplicates);
    metric(out, "malformed_total", "counter", "Messages that are no tweet", malformed);
    metric(out, "lost_total", "counter", "Offsets that Kafka no longer held when they were due", lost);
    metric(out, "behind", "gauge", "Messages in the topic beyond the last batch", behind);
    metric(out, "last_batch", "gauge", "Number of the last micro-batch, -1 before the first", lastBatch);
    metric(out, "model_version", "gauge", "Version of the model in use", modelVersion);
    metric(out, "batch_seconds_sum", "counter", "Time spent in micro-batches", batchSeconds);
    metric(out, "last_batch_seconds", "gauge", "Time the last micro-batch took", lastBatchSeconds);
    metric(out, "last_queryable_seconds", "gauge", "Age of the oldest tweet of the last micro-batch when it was written", lastQueryableSeconds);
    metric(out, "last_finished", "gauge", "When the last micro-batch was written, seconds since the epoch", lastFinished);
    return out.toString();
  }

  private static void metric(StringBuilder out, String name, String type, String help, double value) {
    out.append(String.format(Locale.ROOT, "# HELP sentiment_%s %s\n# TYPE sentiment_%s %s\nsentiment_%s ", name, help, name, type, name));
    out.append(value == Math.rint(value) ? Long.toString((long) value) : String.format(Locale.ROOT, "%.3f", value)).append('\n');
  }
}
