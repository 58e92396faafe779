package headrace.isp;

import java.util.concurrent.Callable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Repeats what a restarting neighbour (Redis, Cassandra) may refuse for a while. Only for work that is safe to repeat.
 * Past its limit the error goes up: the batch fails, the process ends, and its replacement replays the batch.
 */
public final class Patience {
  private static final Logger log = LoggerFactory.getLogger(Patience.class);
  private static final long LIMIT_MS = 60_000;
  private static final long LONGEST_PAUSE_MS = 2_000;

  private Patience() {}

  public static <T> T until(String what, Callable<T> work) throws Exception {
    long deadline = System.nanoTime() + LIMIT_MS * 1_000_000;
    for (long pause = 100; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return work.call();
      } catch (InterruptedException stop) {
        throw stop;
      } catch (Exception refused) {
        if (System.nanoTime() + pause * 1_000_000 > deadline) throw refused;
        log.warn("{} failed, again in {} ms: {}", what, pause, refused.toString());
        Thread.sleep(pause);
      }
    }
  }
}
