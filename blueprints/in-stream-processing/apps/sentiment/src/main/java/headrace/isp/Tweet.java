package headrace.isp;

/** One tweet about one movie, as read from the topic (DATA.md). Times are milliseconds since the epoch, UTC. */
public record Tweet(
    String id,
    String movie,
    String text,
    long createdMs,
    String user,
    int followers,
    String place,
    String lang,
    long receivedMs) {

  public Group group() {
    return Group.of(followers);
  }

  public long minuteMs() {
    return Period.minuteOf(createdMs);
  }

  public int day() {
    return Period.dayOf(createdMs);
  }
}
