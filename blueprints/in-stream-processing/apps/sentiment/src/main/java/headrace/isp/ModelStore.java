package headrace.isp;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.cql.Row;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The classifier's inputs in Cassandra: versions of the model, which one holds, and the movies' titles.
 * A version is written whole before `model_current` names it, and never changed afterwards.
 */
public final class ModelStore {
  private static final String NAME = "sentiment";

  private final CqlSession session;

  public ModelStore(CqlSession session) {
    this.session = session;
  }

  /** The model that holds now; empty if none was ever loaded. */
  public Optional<Model> current() {
    Row row = session.execute(session.prepare("SELECT version, threshold FROM model_current WHERE name = ?").bind(NAME)).one();
    if (row == null) return Optional.empty();
    int version = row.getInt("version");
    return Optional.of(new Model(version, row.getDouble("threshold"), weights(version)));
  }

  public Optional<Integer> currentVersion() {
    Row row = session.execute(session.prepare("SELECT version FROM model_current WHERE name = ?").bind(NAME)).one();
    return Optional.ofNullable(row).map(r -> r.getInt("version"));
  }

  /** Makes this the model that holds, as a new version unless it holds already. Returns the version. */
  public int load(Map<String, Double> weights, double threshold) {
    Row row = session.execute(session.prepare("SELECT version, threshold FROM model_current WHERE name = ?").bind(NAME)).one();
    int version = row == null ? 0 : row.getInt("version");
    if (row != null && row.getDouble("threshold") == threshold && weights(version).equals(weights)) return version;
    version++;
    // Words that an interrupted load of another list may have left under this number.
    session.execute(session.prepare("DELETE FROM model WHERE name = ? AND version = ?").bind(NAME, version));
    PreparedStatement insert = session.prepare("INSERT INTO model (name, version, word, weight) VALUES (?, ?, ?, ?)");
    List<BoundStatement> rows = new ArrayList<>();
    for (var entry : weights.entrySet()) rows.add(insert.bind(NAME, version, entry.getKey(), entry.getValue()));
    session.execute(Tables.onePartition(rows));
    session.execute(session.prepare("INSERT INTO model_current (name, version, threshold) VALUES (?, ?, ?)").bind(NAME, version, threshold));
    return version;
  }

  /** Movie slug to title. */
  public Map<String, String> titles() {
    Map<String, String> titles = new HashMap<>();
    for (Row row : session.execute("SELECT slug, title FROM movies")) {
      String title = row.getString("title");
      titles.put(row.getString("slug"), title == null ? "" : title);
    }
    return titles;
  }

  private Map<String, Double> weights(int version) {
    Map<String, Double> weights = new HashMap<>();
    for (Row row : session.execute(session.prepare("SELECT word, weight FROM model WHERE name = ? AND version = ?").bind(NAME, version))) {
      weights.put(row.getString("word"), row.getDouble("weight"));
    }
    return weights;
  }
}
