package headrace.isp;

import java.util.HashSet;
import java.util.Set;

/** A minute of a movie: the unit of folding. Text form, as stored in `job_stats.touched`: `<movie> <minute in ms>`. */
public record MovieMinute(String movie, long minuteMs) {

  public static Set<MovieMinute> touchedBy(Counts counts) {
    Set<MovieMinute> minutes = new HashSet<>();
    counts.forEach((key, values) -> minutes.add(new MovieMinute(key.movie(), key.minuteMs())));
    return minutes;
  }

  public static MovieMinute parse(String text) {
    int blank = text.lastIndexOf(' '); // a movie may hold blanks, a number does not
    return new MovieMinute(text.substring(0, blank), Long.parseLong(text.substring(blank + 1)));
  }

  public Hour hour() {
    return new Hour(movie, Period.hourOf(minuteMs));
  }

  @Override
  public String toString() {
    return movie + " " + minuteMs;
  }

  /** An hour of a movie: its rows of `hour_counts`. */
  public record Hour(String movie, long hourMs) {}
}
