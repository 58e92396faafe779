package headrace.isp;

import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/** The classifier for the next batch: read again when the model's version or the movies' titles have changed. */
public final class ClassifierSource {
  private static final long POLL_MS = 5_000;

  private final ModelStore store;
  private final JavaSparkContext spark;
  private Model model;
  private Map<String, String> titles;
  private Broadcast<Classifier> classifier;
  private long polledNs;

  public ClassifierSource(ModelStore store, JavaSparkContext spark) {
    this.store = store;
    this.spark = spark;
  }

  /** To be called between batches. Executors hold the answer until it changes. */
  public Broadcast<Classifier> current() throws Exception {
    if (classifier == null || System.nanoTime() - polledNs > POLL_MS * 1_000_000) {
      Patience.until("reading the model", () -> {
        poll();
        return null;
      });
      polledNs = System.nanoTime();
    }
    return classifier;
  }

  public int version() {
    return model == null ? 0 : model.version();
  }

  private void poll() {
    int version = store.currentVersion()
        .orElseThrow(() -> new IllegalStateException("table model_current is empty: load a model (headrace.isp.Setup) first"));
    Map<String, String> now = store.titles();
    if (model != null && model.version() == version && now.equals(titles)) return;
    if (model == null || model.version() != version) model = store.current().orElseThrow();
    titles = now;
    if (classifier != null) classifier.unpersist();
    classifier = spark.broadcast(new Classifier(model, titles));
  }
}
