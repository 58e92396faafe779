package headrace.isp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ArithmeticTest {
  private static final long AT = 1795000000123L; // 2026-11-18T11:06:40.123Z

  private static Tweet tweet(String movie, long createdMs, int followers) {
    return new Tweet("1", movie, "", createdMs, "u", followers, "", "en", createdMs + 5);
  }

  private static Map<Counts.Key, List<Long>> contents(Counts counts) {
    Map<Counts.Key, List<Long>> map = new HashMap<>();
    counts.forEach((key, n) -> map.put(key, List.of(n[0], n[1], n[2])));
    return map;
  }

  @Test
  void groupsChangeAt500And5000Followers() {
    assertEquals(Group.low, Group.of(0));
    assertEquals(Group.low, Group.of(500));
    assertEquals(Group.middle, Group.of(501));
    assertEquals(Group.middle, Group.of(5000));
    assertEquals(Group.high, Group.of(5001));
    assertEquals(Group.high, Group.of(Integer.MAX_VALUE));
  }

  @Test
  void periodsAreThoseOfUtc() {
    assertEquals(1794999960000L, Period.minuteOf(AT));
    assertEquals(1794999600000L, Period.hourOf(AT));
    assertEquals(1794999600000L, Period.hourOf(1794999600000L));
    assertEquals(20775, Period.dayOf(AT));
    assertEquals(2026, Period.yearOf(AT));
    assertEquals(2026, Period.yearOf(1798761599999L));
    assertEquals(2027, Period.yearOf(1798761600000L));
    assertEquals(0, Period.dayOf(86_399_999));
    assertEquals(1, Period.dayOf(86_400_000));
  }

  @Test
  void countsAreKeptByMovieMinuteAndGroup() {
    Counts counts = new Counts();
    counts.add(tweet("a", AT, 1), Sentiment.positive);
    counts.add(tweet("a", AT + 1, 2), Sentiment.positive);
    counts.add(tweet("a", AT, 3), Sentiment.neutral);
    counts.add(tweet("a", AT, 501), Sentiment.negative);
    counts.add(tweet("a", AT + 60_000, 1), Sentiment.negative);
    counts.add(tweet("b", AT, 1), Sentiment.positive);
    long minute = Period.minuteOf(AT);
    assertEquals(Map.of(
        new Counts.Key("a", minute, Group.low), List.of(2L, 0L, 1L),
        new Counts.Key("a", minute, Group.middle), List.of(0L, 1L, 0L),
        new Counts.Key("a", minute + 60_000, Group.low), List.of(0L, 1L, 0L),
        new Counts.Key("b", minute, Group.low), List.of(1L, 0L, 0L)), contents(counts));
  }

  @Test
  void resultsOfPartitionsAddUp() {
    Counts one = new Counts();
    one.add(tweet("a", AT, 1), Sentiment.positive);
    Counts two = new Counts();
    two.add(tweet("a", AT, 1), Sentiment.negative);
    two.add(tweet("b", AT, 1), Sentiment.negative);
    PartitionResult sum = List.of(new PartitionResult(one, 5, 1, 0, 70), new PartitionResult(two, 4, 0, 2, 60))
        .stream().reduce(PartitionResult.empty(), PartitionResult::plus);
    assertEquals(Map.of(
        new Counts.Key("a", Period.minuteOf(AT), Group.low), List.of(1L, 1L, 0L),
        new Counts.Key("b", Period.minuteOf(AT), Group.low), List.of(0L, 1L, 0L)), contents(sum.counts()));
    assertEquals(List.of(9L, 1L, 2L, 60L), List.of(sum.rows(), sum.duplicates(), sum.malformed(), sum.oldestReceivedMs()));
  }

  @Test
  void aMinuteOfAMovieSurvivesItsTextForm() {
    for (String movie : Set.of("silver-tide", "with blank 7", "é")) {
      MovieMinute minute = new MovieMinute(movie, Period.minuteOf(AT));
      assertEquals(minute, MovieMinute.parse(minute.toString()));
    }
    assertEquals(new MovieMinute.Hour("m", Period.hourOf(AT)), new MovieMinute("m", Period.minuteOf(AT)).hour());
  }

  @Test
  void aMarkNamesTheMessageAndItsBatch() {
    assertEquals("0f81b7a4/7/1/42", new BatchId("0f81b7a4-93f9-4f9e-8a55-2f0d3c1be111", 7).mark(1, 42));
  }

  @Test
  void offsetsOfAllPartitionsMakeTheDistance() throws Exception {
    Progress progress = new Progress(new Status());
    assertEquals(12, progress.distance("{\"t\":{\"0\":5,\"1\":0}}", "{\"t\":{\"0\":10,\"1\":4,\"2\":3}}"));
    assertEquals(0, progress.distance(null, "{\"t\":{\"0\":10}}"));
  }

  @Test
  void schemaFilesAreCutIntoStatementsWithValuesFilledIn() throws Exception {
    Map<String, String> values = Map.of("KEYSPACE", "k", "LOCAL_DC", "d", "REPLICATION", "1", "RETENTION_SECONDS", "60");
    assertEquals(1, Setup.statements(Setup.resource("schema/keyspace.cql"), values).size());
    assertEquals(8, Setup.statements(Setup.resource("schema/tables.cql"), values).size());
    assertThrows(IllegalArgumentException.class, () -> Setup.statements("CREATE ${OTHER};\n", values));
    assertThrows(IllegalArgumentException.class, () -> Setup.statements("CREATE\n", values));
  }

  @Test
  void settingsThatAreWrongNameTheirVariable() {
    Environment env = new Environment(Map.of("KEYSPACE", "a; DROP", "CORES", "two", "CASSANDRA_CONTACTS", "host", "EMPTY", ""));
    assertThrows(IllegalArgumentException.class, env::keyspace);
    assertEquals("KAFKA_SERVERS is not set", assertThrows(IllegalArgumentException.class, () -> env.text("KAFKA_SERVERS")).getMessage());
    assertEquals("CORES: \"two\" is not a number", assertThrows(IllegalArgumentException.class, () -> env.number("CORES", 1)).getMessage());
    assertEquals(0, env.number("EMPTY", 0));
    Environment bad = new Environment(Map.of("CASSANDRA_CONTACTS", "a:1,b"));
    assertEquals("CASSANDRA_CONTACTS: \"b\" is not host:port", assertThrows(IllegalArgumentException.class, bad::cassandra).getMessage());
  }

  @Test
  void metricsAreThoseOfTheBatchesWritten() {
    Status status = new Status();
    status.wrote(3, new PartitionResult(new Counts(), 10, 2, 1, Long.MAX_VALUE), 4, 0.25);
    status.progressed(17, 5);
    String text = status.metrics();
    for (String line : List.of("sentiment_rows_total 10", "sentiment_duplicates_total 2", "sentiment_malformed_total 1",
        "sentiment_last_batch 3", "sentiment_model_version 4", "sentiment_behind 17", "sentiment_lost_total 5", "sentiment_last_batch_seconds 0.250")) {
      assertEquals(1, text.lines().filter(line::equals).count(), line);
    }
  }
}
