package headrace.isp;

import java.time.Instant;
import java.time.ZoneOffset;

/** The days, hours and minutes of UTC that tables are keyed by. Times are milliseconds since the epoch. */
public final class Period {
  public static final long MINUTE = 60_000;
  public static final long HOUR = 60 * MINUTE;
  public static final long DAY = 24 * HOUR;

  private Period() {}

  public static long minuteOf(long ms) {
    return Math.floorDiv(ms, MINUTE) * MINUTE;
  }

  public static long hourOf(long ms) {
    return Math.floorDiv(ms, HOUR) * HOUR;
  }

  public static int dayOf(long ms) {
    return (int) Math.floorDiv(ms, DAY);
  }

  public static int yearOf(long ms) {
    return Instant.ofEpochMilli(ms).atOffset(ZoneOffset.UTC).getYear();
  }
}
