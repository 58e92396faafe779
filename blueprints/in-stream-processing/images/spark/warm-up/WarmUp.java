import com.datastax.oss.driver.api.core.CqlSession;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.jar.JarFile;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.streaming.StreamingQuery;
import redis.clients.jedis.JedisPooled;

/**
 * Loads, on driver and executor, the classes that a streaming job from Kafka to Cassandra and Redis loads. There is no network in
 * an image's build: a stream of generated rows stands for Kafka's, and each client is taken as far as its refused connection;
 * what it would load beyond that is named.
 */
public final class WarmUp {
  /** Jars, and in them the packages that are used after a connection is there. */
  private static final Map<String, List<String>> USED = Map.of(
      "spark-sql-kafka-0-10", List.of("org/apache/spark/sql/kafka010/"),
      "spark-token-provider-kafka-0-10", List.of("org/apache/spark/kafka010/"),
      "kafka-clients", List.of("org/apache/kafka/clients/consumer/", "org/apache/kafka/common/record/",
          "org/apache/kafka/common/requests/Fetch", "org/apache/kafka/common/requests/ListOffsets",
          "org/apache/kafka/common/requests/Metadata", "org/apache/kafka/common/message/Fetch",
          "org/apache/kafka/common/message/ListOffsets", "org/apache/kafka/common/message/Metadata"),
      "java-driver-core-shaded", List.of("com/datastax/oss/driver/internal/core/cql/",
          "com/datastax/oss/driver/internal/core/channel/", "com/datastax/oss/driver/internal/core/session/",
          "com/datastax/oss/driver/internal/core/pool/", "com/datastax/oss/driver/internal/core/metadata/",
          "com/datastax/oss/driver/internal/core/type/codec/"),
      "java-driver-shaded-guava", List.of(),
      "native-protocol", List.of("com/datastax/oss/protocol/internal/"));

  public static void main(String[] arguments) throws Exception {
    SparkSession spark = SparkSession.builder().appName("warm-up").getOrCreate();
    touchClients();
    String checkpoint = Files.createTempDirectory("warm-up").toString();
    VoidFunction2<Dataset<Row>, Long> batch = (rows, number) -> {
      FlatMapFunction<Iterator<InternalRow>, Long> task = partition -> {
        long count = 0;
        for (; partition.hasNext(); partition.next()) count++;
        if (number == 0) touchClients();
        return List.of(count).iterator();
      };
      var raw = ((org.apache.spark.sql.classic.Dataset<Row>) rows).queryExecution().toRdd().toJavaRDD();
      List<Long> counts = new ArrayList<>(raw.mapPartitions(task).collect());
      long all = counts.stream().mapToLong(Long::longValue).sum() + rows.filter("value >= 0").count();
      System.out.println("warm-up: batch " + number + ", " + all + " rows");
    };
    StreamingQuery query = spark.readStream().format("rate-micro-batch").option("rowsPerBatch", 100).load()
        .selectExpr("timestamp", "value", "from_json(concat('{\"n\":', value, '}'), 'n INT') as parsed")
        .writeStream().foreachBatch(batch).option("checkpointLocation", checkpoint).start();
    while (query.lastProgress() == null || query.lastProgress().batchId() < 2) Thread.sleep(100);
    query.stop();
    refusedKafka(spark, checkpoint + "-kafka");
    spark.stop();
  }

  /** A stream from a broker that is not there: it is planned, asked for its offsets, and fails. */
  private static void refusedKafka(SparkSession spark, String checkpoint) throws Exception {
    try {
      StreamingQuery query = spark.readStream().format("kafka").option("kafka.bootstrap.servers", "127.0.0.1:1")
          .option("subscribe", "none").option("kafka.default.api.timeout.ms", "500").option("kafka.request.timeout.ms", "400")
          .option("fetchOffset.numRetries", "1").load().select("partition", "offset", "value").writeStream()
          .foreachBatch((VoidFunction2<Dataset<Row>, Long>) (rows, number) -> {}).option("checkpointLocation", checkpoint).start();
      query.awaitTermination(15_000);
      query.stop();
    } catch (Exception expected) {
      System.out.println("warm-up: Kafka refused, as expected: " + expected.getClass().getSimpleName());
    }
  }

  private static synchronized void touchClients() throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", "127.0.0.1:1");
    settings.put("group.id", "warm-up");
    try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of("none"));
      consumer.poll(java.time.Duration.ofMillis(100));
    }
    try (CqlSession session = CqlSession.builder().addContactPoint(new InetSocketAddress("127.0.0.1", 1))
        .withLocalDatacenter("datacenter1").build()) {
      throw new IllegalStateException("a Cassandra node answers in an image's build");
    } catch (com.datastax.oss.driver.api.core.AllNodesFailedException expected) {
      System.out.println("warm-up: Cassandra refused, as expected");
    }
    try (JedisPooled redis = new JedisPooled("127.0.0.1", 1)) {
      redis.get("none");
    } catch (redis.clients.jedis.exceptions.JedisConnectionException expected) {
      System.out.println("warm-up: Redis refused, as expected");
    }
    int loaded = 0;
    for (var jar : new java.io.File(System.getenv("SPARK_HOME"), "lib").listFiles()) {
      for (var entry : USED.entrySet()) {
        if (jar.getName().startsWith(entry.getKey())) loaded += loadAll(jar, entry.getValue());
      }
    }
    System.out.println("warm-up: " + loaded + " classes named");
  }

  private static int loadAll(java.io.File file, List<String> prefixes) throws Exception {
    int loaded = 0;
    try (JarFile jar = new JarFile(file)) {
      for (var entry : Collections.list(jar.entries())) {
        String name = entry.getName();
        if (!name.endsWith(".class") || prefixes.stream().noneMatch(name::startsWith)) continue;
        try {
          Class.forName(name.substring(0, name.length() - 6).replace('/', '.'), false, SparkSession.class.getClassLoader());
          loaded++;
        } catch (LinkageError | ClassNotFoundException optional) {
          // Integrations with libraries that are not here.
        }
      }
    }
    return loaded;
  }
}
