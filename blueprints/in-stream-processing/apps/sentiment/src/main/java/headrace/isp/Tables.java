package headrace.isp;

import com.datastax.oss.driver.api.core.ConsistencyLevel;
import com.datastax.oss.driver.api.core.CqlIdentifier;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.CqlSessionBuilder;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.BatchStatement;
import com.datastax.oss.driver.api.core.cql.BatchableStatement;
import com.datastax.oss.driver.api.core.cql.DefaultBatchType;
import com.datastax.oss.driver.api.core.cql.Statement;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;

/**
 * A session with Cassandra for idempotent writes. All writes and reads are LOCAL_QUORUM: what was acknowledged is read.
 * Rows of one partition go as one unlogged batch, which Cassandra applies as one mutation: several times cheaper than
 * single inserts.
 */
public final class Tables implements AutoCloseable {
  private static final int IN_FLIGHT = 64;

  private final CqlSession session;

  private Tables(CqlSession session) {
    this.session = session;
  }

  public static Tables open(CassandraAddress address) {
    return new Tables(builder(address, true).withKeyspace(CqlIdentifier.fromInternal(address.keyspace())).build());
  }

  /** A session outside of any keyspace, for the schema. It keeps no picture of it: refreshing one costs a second per change. */
  static CqlSession openForSchema(CassandraAddress address) {
    return builder(address, false).build();
  }

  private static CqlSessionBuilder builder(CassandraAddress address, boolean keepSchema) {
    var config = DriverConfigLoader.programmaticBuilder()
        .withString(DefaultDriverOption.REQUEST_CONSISTENCY, ConsistencyLevel.LOCAL_QUORUM.name())
        .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(10))
        .withBoolean(DefaultDriverOption.REQUEST_DEFAULT_IDEMPOTENCE, true)
        .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(10))
        .withDuration(DefaultDriverOption.CONTROL_CONNECTION_TIMEOUT, Duration.ofSeconds(10))
        .withBoolean(DefaultDriverOption.RECONNECT_ON_INIT, true)
        .withDuration(DefaultDriverOption.RECONNECTION_BASE_DELAY, Duration.ofMillis(200))
        .withDuration(DefaultDriverOption.RECONNECTION_MAX_DELAY, Duration.ofSeconds(2))
        .withBoolean(DefaultDriverOption.METADATA_SCHEMA_ENABLED, keepSchema)
        .withStringList(DefaultDriverOption.METADATA_SCHEMA_REFRESHED_KEYSPACES, List.of(address.keyspace()))
        .withInt(DefaultDriverOption.NETTY_IO_SIZE, 2)
        .withInt(DefaultDriverOption.NETTY_ADMIN_SIZE, 1)
        .withInt(DefaultDriverOption.NETTY_IO_SHUTDOWN_QUIET_PERIOD, 0) // 2 s otherwise, each, at every close
        .withInt(DefaultDriverOption.NETTY_ADMIN_SHUTDOWN_QUIET_PERIOD, 0)
        .withBoolean(DefaultDriverOption.NETTY_DAEMON, true);
    CqlSessionBuilder builder = CqlSession.builder().withConfigLoader(config.build()).withLocalDatacenter(address.datacenter());
    for (String contact : address.contacts()) {
      InetSocketAddress node = Environment.address("CASSANDRA_CONTACTS", contact);
      builder.addContactPoint(new InetSocketAddress(node.getHostString(), node.getPort()));
    }
    return builder;
  }

  public CqlSession session() {
    return session;
  }

  /** Rows of one partition as one mutation. */
  public static BatchStatement onePartition(List<? extends BatchableStatement<?>> rows) {
    return BatchStatement.newInstance(DefaultBatchType.UNLOGGED).addAll(new ArrayList<BatchableStatement<?>>(rows));
  }

  /** Writes in the background, a bounded number at a time; {@link #finish} waits and repeats what failed. For one thread. */
  public final class Writer {
    private final Semaphore slots = new Semaphore(IN_FLIGHT);
    private final ConcurrentLinkedQueue<Statement<?>> failed = new ConcurrentLinkedQueue<>();
    private volatile Throwable cause;

    public void write(Statement<?> statement) throws InterruptedException {
      slots.acquire();
      CompletionStage<?> sent;
      try {
        sent = session.executeAsync(statement);
      } catch (RuntimeException closed) {
        slots.release();
        throw closed;
      }
      sent.whenComplete((done, error) -> {
        if (error != null) {
          cause = error;
          failed.add(statement);
        }
        slots.release();
      });
    }

    /** Returns when everything given to {@link #write} is acknowledged. */
    public void finish() throws Exception {
      Patience.until("Cassandra", () -> {
        slots.acquire(IN_FLIGHT);
        slots.release(IN_FLIGHT);
        if (failed.isEmpty()) return null;
        List<Statement<?>> again = new ArrayList<>();
        for (Statement<?> s = failed.poll(); s != null; s = failed.poll()) again.add(s);
        Throwable why = cause;
        for (Statement<?> statement : again) write(statement);
        slots.acquire(IN_FLIGHT);
        slots.release(IN_FLIGHT);
        if (!failed.isEmpty()) throw new IllegalStateException(again.size() + " writes refused: " + why, why);
        return null;
      });
    }
  }

  public Writer writer() {
    return new Writer();
  }

  @Override
  public void close() {
    session.close();
  }
}
