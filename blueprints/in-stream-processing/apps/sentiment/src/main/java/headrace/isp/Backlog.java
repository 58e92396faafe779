package headrace.isp;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What the {@link Settler} has left to do for the batches whose rows are written: hours to write, minutes to fold.
 * No clock, no database. Shared by the thread of the stream (began, wrote) and that of the settler (all else).
 */
final class Backlog {
  private static final long CLOSED_AFTER_MS = 15_000; // late messages of a minute mostly have come by then
  private static final long FUTURE_MS = Period.HOUR; // a minute further ahead is never folded: readers sum anyway

  private static final class Rest {
    final Set<MovieMinute.Hour> hours = new HashSet<>();
    final Set<MovieMinute> minutes;

    Rest(Set<MovieMinute> touched) {
      minutes = new HashSet<>(touched);
      for (MovieMinute minute : touched) hours.add(minute.hour());
    }
  }

  /** Hours to write, and the batches that asked for them. */
  record Hours(Set<MovieMinute.Hour> hours, List<Object> batches) {}

  private final Map<BatchId, Rest> batches = new HashMap<>();
  private BatchId current;

  /** Batch begins: all earlier ones of its query are committed, and of other queries all. */
  synchronized void began(BatchId batch) {
    current = batch;
  }

  /** All rows of the batch are written. */
  synchronized void wrote(BatchId batch, Set<MovieMinute> touched) {
    batches.put(batch, new Rest(touched));
  }

  /** An earlier process wrote the batch and may not have settled it. */
  synchronized void recovered(BatchId batch, Set<MovieMinute> touched) {
    batches.putIfAbsent(batch, new Rest(touched)); // it may have been replayed meanwhile
  }

  synchronized Hours hoursToWrite() {
    Set<MovieMinute.Hour> hours = new HashSet<>();
    for (Rest rest : batches.values()) hours.addAll(rest.hours);
    return new Hours(hours, new ArrayList<>(batches.values()));
  }

  /** The hours were written from a read later than {@link #hoursToWrite}. Batches that came since keep theirs. */
  synchronized void wroteHours(Hours written) {
    for (Object rest : written.batches()) ((Rest) rest).hours.clear();
  }

  /** The batch before which rows may be folded; null while it is not known which batches are committed. */
  synchronized BatchId limit() {
    return current;
  }

  static boolean isBefore(BatchId batch, BatchId limit) {
    return !batch.query().equals(limit.query()) || batch.number() < limit.number();
  }

  /** Closed minutes with rows of batches before the limit. */
  synchronized Set<MovieMinute> minutesToFold(BatchId limit, long nowMs) {
    Set<MovieMinute> minutes = new HashSet<>();
    batches.forEach((batch, rest) -> {
      if (!isBefore(batch, limit)) return;
      for (MovieMinute m : rest.minutes) if (m.minuteMs() + Period.MINUTE + CLOSED_AFTER_MS <= nowMs) minutes.add(m);
    });
    return minutes;
  }

  synchronized void folded(MovieMinute minute, BatchId limit) {
    batches.forEach((batch, rest) -> { if (isBefore(batch, limit)) rest.minutes.remove(minute); });
  }

  /** For each query the first batch that is not settled: all before it are. Forgets those found settled. */
  synchronized List<BatchId> settledBefore(BatchId limit, long nowMs) {
    Map<String, Long> firsts = new HashMap<>();
    for (Iterator<Map.Entry<BatchId, Rest>> each = batches.entrySet().iterator(); each.hasNext(); ) {
      var entry = each.next();
      BatchId batch = entry.getKey();
      Rest rest = entry.getValue();
      boolean settled = isBefore(batch, limit) && rest.hours.isEmpty()
          && rest.minutes.stream().noneMatch(m -> m.minuteMs() < nowMs + FUTURE_MS);
      if (settled) each.remove();
      long bound = batch.query().equals(limit.query()) ? limit.number() : Long.MAX_VALUE;
      firsts.merge(batch.query(), settled ? bound : batch.number(), Math::min);
    }
    List<BatchId> ends = new ArrayList<>();
    firsts.forEach((query, first) -> ends.add(new BatchId(query, first)));
    return ends;
  }
}
