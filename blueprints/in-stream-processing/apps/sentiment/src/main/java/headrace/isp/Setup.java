package headrace.isp;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.cql.Row;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Launch step: keyspace, tables, model, movies. Safe to repeat: creates what is missing, gives tables another retention and a
 * changed word list a new version, inserts or updates movies and deletes none. Ends with a line `::result::{json}`.
 */
public final class Setup {
  private Setup() {}

  public static void main(String[] arguments) {
    try {
      System.out.println("::result::" + run(new Environment(System.getenv())));
    } catch (Exception error) {
      System.err.println("setup failed: " + error);
      System.exit(1);
    }
    System.exit(0);
  }

  static String run(Environment env) throws Exception {
    ObjectMapper json = new ObjectMapper();
    ObjectNode result = json.createObjectNode();
    CassandraAddress address = env.cassandra();
    int replication = env.number("REPLICATION", 1);
    Map<String, Double> weights = weights(resource("model/words.csv"));
    double threshold = Double.parseDouble(resource("model/threshold.txt").strip());
    JsonNode movies = json.readTree(env.text("MOVIES", resource("schema/movies.json")));
    int retention = env.number("RETENTION_DAYS", 30) * 24 * 3600;
    Map<String, String> values = Map.of(
        "KEYSPACE", address.keyspace(),
        "LOCAL_DC", address.datacenter(),
        "REPLICATION", Integer.toString(replication),
        "RETENTION_SECONDS", Integer.toString(retention));

    try (CqlSession session = Tables.openForSchema(address)) {
      for (String file : List.of("schema/keyspace.cql", "schema/tables.cql")) {
        for (String statement : statements(resource(file), values)) session.execute(statement);
      }
      result.put("keyspace", address.keyspace()).put("replication", replicationOf(session, address));
      if (result.get("replication").asInt() != replication) {
        // Changing it without repairing every node would let quorum reads miss rows, so a person has to do both.
        result.put("replication_wanted", replication);
      }
      int altered = alterRetention(session, address.keyspace(), retention);
      if (altered > 0) result.put("retention_changed", altered);
      session.execute("USE " + address.keyspace());
      result.put("model_version", new ModelStore(session).load(weights, threshold)).put("words", weights.size());
      result.put("movies", loadMovies(session, movies));
    }
    return json.writeValueAsString(result);
  }

  private static int replicationOf(CqlSession session, CassandraAddress address) {
    var row = session.execute("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '" + address.keyspace() + "'").one();
    return Integer.parseInt(row.getMap("replication", String.class, String.class).getOrDefault(address.datacenter(), "0"));
  }

  /** Of the tables that have one; rows that are there keep the end they were written with. How many were changed. */
  private static int alterRetention(CqlSession session, String keyspace, int seconds) {
    int altered = 0;
    for (Row table : session.execute(
        "SELECT table_name, default_time_to_live AS ttl FROM system_schema.tables WHERE keyspace_name = '" + keyspace + "'")) {
      if (table.getInt("ttl") == 0 || table.getInt("ttl") == seconds) continue;
      session.execute("ALTER TABLE " + keyspace + "." + table.getString("table_name") + " WITH default_time_to_live = " + seconds);
      altered++;
    }
    return altered;
  }

  private static int loadMovies(CqlSession session, JsonNode movies) {
    if (!movies.isArray()) throw new IllegalArgumentException("MOVIES is not a JSON array");
    PreparedStatement insert = session.prepare("INSERT INTO movies (slug, title, query, released) VALUES (?, ?, ?, ?)");
    for (JsonNode movie : movies) {
      String slug = movie.path("slug").asText();
      String title = movie.path("title").asText();
      if (slug.isEmpty() || title.isEmpty()) throw new IllegalArgumentException("MOVIES: a movie needs slug and title: " + movie);
      String query = movie.path("query").asText('"' + title + '"');
      LocalDate released = movie.hasNonNull("released") ? LocalDate.parse(movie.get("released").asText()) : null;
      session.execute(insert.bind(slug, title, query, released));
    }
    return movies.size();
  }

  /** Statements of a .cql file with ${NAME} filled in and comment lines dropped. */
  static List<String> statements(String cql, Map<String, String> values) {
    List<String> statements = new ArrayList<>();
    StringBuilder statement = new StringBuilder();
    for (String line : cql.split("\n")) {
      if (line.strip().startsWith("--")) continue;
      for (var value : values.entrySet()) line = line.replace("${" + value.getKey() + "}", value.getValue());
      if (line.contains("${")) throw new IllegalArgumentException("no value for " + line.strip());
      statement.append(line).append('\n');
      if (!line.strip().endsWith(";")) continue;
      statements.add(statement.toString().strip().replaceFirst(";$", ""));
      statement.setLength(0);
    }
    if (!statement.toString().isBlank()) throw new IllegalArgumentException("no ; at the end of: " + statement);
    return statements;
  }

  /** Lines `word,weight` below a header; each word once. */
  static Map<String, Double> weights(String csv) {
    Map<String, Double> weights = new LinkedHashMap<>();
    for (String line : csv.split("\n")) {
      if (line.isBlank() || line.equals("word,weight")) continue;
      int comma = line.lastIndexOf(',');
      if (comma <= 0) throw new IllegalArgumentException("not word,weight: " + line);
      if (weights.put(line.substring(0, comma), Double.valueOf(line.substring(comma + 1))) != null) {
        throw new IllegalArgumentException("twice in the word list: " + line);
      }
    }
    return weights;
  }

  static String resource(String name) throws IOException {
    try (InputStream in = Setup.class.getResourceAsStream("/" + name)) {
      if (in == null) throw new IOException("the jar lacks " + name);
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
