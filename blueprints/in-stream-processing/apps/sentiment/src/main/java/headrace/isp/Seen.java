package headrace.isp;

import java.util.ArrayList;
import java.util.List;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Response;
import redis.clients.jedis.params.SetParams;

/**
 * Which message of a tweet came first, kept in Redis: `seen:<movie>:<id>` = mark of that message (DATA.md).
 * Asking again with the same mark gives the same answer, so a replayed batch passes and a doubled message never does.
 * One connection, for one thread.
 */
public final class Seen implements AutoCloseable {
  private static final SetParams IF_NEW = SetParams.setParams().nx().ex(30 * 24 * 3600);
  private static final int TIMEOUT_MS = 5_000;

  private final String host;
  private final int port;
  private Jedis redis;

  /** @param address host:port */
  public Seen(String address) {
    var parsed = Environment.address("REDIS", address);
    host = parsed.getHostString();
    port = parsed.getPort();
  }

  /** For each tweet whether its mark is the first one: marks.get(i) belongs to tweets.get(i). */
  public boolean[] claim(List<Tweet> tweets, List<String> marks) throws Exception {
    return Patience.until("Redis " + host + ":" + port, () -> {
      try {
        return claimOnce(tweets, marks);
      } catch (RuntimeException broken) {
        close(); // answers may be outstanding: never reuse the connection
        throw broken;
      }
    });
  }

  private boolean[] claimOnce(List<Tweet> tweets, List<String> marks) {
    if (redis == null) {
      redis = new Jedis(host, port, TIMEOUT_MS);
      redis.connect();
    }
    Pipeline pipeline = redis.pipelined();
    List<Response<String>> owners = new ArrayList<>(tweets.size());
    for (int i = 0; i < tweets.size(); i++) {
      Tweet tweet = tweets.get(i);
      owners.add(pipeline.setGet("seen:" + tweet.movie() + ":" + tweet.id(), marks.get(i), IF_NEW));
    }
    pipeline.sync();
    boolean[] first = new boolean[tweets.size()];
    for (int i = 0; i < first.length; i++) {
      String owner = owners.get(i).get(); // throws Redis' own errors, such as LOADING
      first[i] = owner == null || owner.equals(marks.get(i));
    }
    return first;
  }

  @Override
  public void close() {
    Jedis old = redis;
    redis = null;
    if (old == null) return;
    try {
      old.close();
    } catch (RuntimeException alreadyBroken) {
      // nothing is lost with it
    }
  }
}
