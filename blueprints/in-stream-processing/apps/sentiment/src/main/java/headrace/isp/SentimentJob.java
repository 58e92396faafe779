package headrace.isp;

import java.io.File;
import java.nio.file.Paths;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.LogicalRDD;
import org.apache.spark.sql.execution.QueryExecution;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.Trigger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver of the streaming job: Kafka to Cassandra in micro-batches, each with the effect of exactly once.
 * Ends with a non-zero code when the query dies; started again on the same checkpoint it replays the last batch, which
 * changes nothing. Its environment is described in images/sentiment/bin/sentiment.
 */
public final class SentimentJob {
  private static final Logger log = LoggerFactory.getLogger(SentimentJob.class);

  private final Environment env;
  private final Status status = new Status();

  private SentimentJob(Environment env) {
    this.env = env;
  }

  public static void main(String[] arguments) {
    try {
      new SentimentJob(new Environment(System.getenv())).run();
    } catch (Throwable end) {
      log.error("the job ends: {}", end.toString(), end);
    }
    System.exit(1); // a streaming query never ends by itself; without exit Spark's threads would keep the process
  }

  private void run() throws Exception {
    int port = env.number("PORT_HTTP", 0);
    if (port > 0) status.serve(env.text("BIND_ADDRESS", env.text("HOST")), port);
    // It warns of every batch that takes longer than TRIGGER_MS, which is meant to happen.
    Configurator.setLevel("org.apache.spark.sql.execution.streaming.runtime.ProcessingTimeExecutor", Level.ERROR);
    boolean empty = env.number("EMPTY", 0) == 1;
    CompletableFuture<Tables> tables = empty ? null : CompletableFuture.supplyAsync(() -> Tables.open(env.cassandra())); // beside Spark's start
    SparkSession spark = SparkSession.builder().config(sparkConf()).getOrCreate();
    spark.streams().addListener(new Progress(status));
    StreamingQuery query = start(spark, empty ? countOnly() : new Batches(spark, tables));
    query.awaitTermination();
  }

  private StreamingQuery start(SparkSession spark, VoidFunction2<Dataset<Row>, Long> batch) throws TimeoutException {
    return spark.readStream().format("kafka")
        .option("kafka.bootstrap.servers", env.text("KAFKA_SERVERS"))
        .option("subscribe", env.text("TOPIC", "tweets"))
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", env.number("MAX_OFFSETS", 20_000))
        // Messages that retention removed while the job was down cannot come back: going on, with `lost_total` counted
        // and a warning logged, serves better than a job that refuses to start until a person deletes its checkpoint.
        .option("failOnDataLoss", "false")
        .option("kafka.fetch.max.wait.ms", 20) // the executor's idle prefetch holds the connection this long
        .option("kafka.max.poll.records", 5_000)
        .load()
        .writeStream()
        .foreachBatch(batch)
        .option("checkpointLocation", env.text("CHECKPOINT"))
        .trigger(Trigger.ProcessingTime(env.number("TRIGGER_MS", 100)))
        .start();
  }

  /** Tweets counted and written; one instance serves all batches of the query. */
  private final class Batches implements VoidFunction2<Dataset<Row>, Long> {
    private final JavaSparkContext spark;
    private final CassandraAddress cassandra = env.cassandra();
    private final String redis = env.text("REDIS");
    private final CountRows countRows;
    private final ClassifierSource classifiers;
    private final Backlog backlog = new Backlog();

    Batches(SparkSession session, CompletableFuture<Tables> opening) {
      Environment.address("REDIS", redis);
      spark = JavaSparkContext.fromSparkContext(session.sparkContext());
      new Thread(this::warmUp, "warm-up").start();
      Tables tables = opening.join();
      countRows = new CountRows(tables);
      classifiers = new ClassifierSource(new ModelStore(tables.session()), spark);
      new Settler(tables.session(), backlog).start(env.number("SETTLE_MS", 10_000));
    }

    @Override
    public void call(Dataset<Row> messages, Long number) throws Exception {
      long began = System.nanoTime();
      BatchId batch = new BatchId(queryId(), number);
      backlog.began(batch);
      Broadcast<Classifier> classifier = classifiers.current();
      PartitionResult result = collect(messages, new PartitionTask(batch, classifier, cassandra, redis));
      countRows.write(batch, result);
      backlog.wrote(batch, MovieMinute.touchedBy(result.counts()));
      status.wrote(number, result, classifiers.version(), (System.nanoTime() - began) / 1e9);
    }

    /** Beside the start of the query: executors come up and connect, so that the first tweets find all doors open. */
    private void warmUp() {
      CassandraAddress tables = cassandra;
      String marks = redis;
      try {
        spark.parallelize(List.of(1, 2), 2).foreachPartition(none -> ExecutorConnections.warmUp(tables, marks));
        status.connected();
      } catch (RuntimeException e) {
        log.warn("warming up failed, as the first batch will: {}", e.toString());
      }
    }

    /** Stable across restarts: it is stored in the checkpoint. */
    private String queryId() {
      String id = spark.getLocalProperty("sql.streaming.queryId");
      if (id == null) throw new IllegalStateException("Spark no longer names the query in sql.streaming.queryId");
      return id;
    }
  }

  /** Reads and counts, nothing else: what the benchmark compares with. */
  private VoidFunction2<Dataset<Row>, Long> countOnly() {
    status.connected();
    return (messages, number) -> {
      long began = System.nanoTime();
      PartitionResult result = collect(messages, rows -> {
        long n = 0;
        for (; rows.hasNext(); rows.next()) n++;
        return List.of(new PartitionResult(new Counts(), n, 0, 0, Long.MAX_VALUE)).iterator();
      });
      status.wrote(number, result, 0, (System.nanoTime() - began) / 1e9);
    };
  }

  /** One pass over the batch. The raw rows: a Dataset's own operators would be planned and compiled anew for every batch. */
  private static PartitionResult collect(Dataset<Row> messages, FlatMapFunction<Iterator<InternalRow>, PartitionResult> task) {
    QueryExecution execution = ((org.apache.spark.sql.classic.Dataset<Row>) messages).queryExecution();
    RDD<InternalRow> rows = execution.analyzed() instanceof LogicalRDD planned ? planned.rdd() : execution.toRdd();
    return rows.toJavaRDD().mapPartitions(task).collect().stream().reduce(PartitionResult.empty(), PartitionResult::plus);
  }

  private SparkConf sparkConf() {
    String host = env.text("HOST");
    SparkConf conf = new SparkConf(true)
        .setAppName("sentiment")
        .setMaster(env.text("MASTER_URL"))
        .set("spark.driver.host", host)
        .set("spark.driver.bindAddress", env.text("BIND_ADDRESS", host))
        .set("spark.driver.port", env.text("PORT_DRIVER", "0"))
        .set("spark.driver.blockManager.port", env.text("PORT_BLOCKS", "0"))
        .set("spark.executor.memory", env.text("EXECUTOR_MEMORY", "512m"))
        .set("spark.executor.extraJavaOptions", env.text("EXECUTOR_OPTIONS", ""))
        .set("spark.scheduler.minRegisteredResourcesRatio", "0")
        .set("spark.locality.wait", "0") // a free core beats a warm Kafka connection
        .set("spark.memory.fraction", "0.5")
        .set("spark.ui.enabled", "false")
        .set("spark.ui.retainedJobs", "5")
        .set("spark.ui.retainedStages", "5")
        .set("spark.ui.retainedTasks", "50")
        .set("spark.sql.ui.retainedExecutions", "5")
        .set("spark.sql.adaptive.enabled", "false")
        .set("spark.sql.streaming.checkpointFileManagerClass", LocalCheckpointFiles.class.getName())
        .set("spark.sql.streaming.pollingDelay", "30ms") // between looks at an idle topic; each costs Kafka and us some ms
        .set("spark.sql.streaming.minBatchesToRetain", "10")
        .set("spark.sql.streaming.numRecentProgressUpdates", "3");
    String jar = Paths.get(SentimentJob.class.getProtectionDomain().getCodeSource().getLocation().getPath()).toString();
    if (new File(jar).isFile()) conf.set("spark.jars", jar); // executors fetch it from the driver
    String cores = env.text("CORES", "");
    if (!cores.isEmpty()) conf.set("spark.cores.max", cores); // else all cores of all workers, later ones too
    return conf;
  }
}
