package headrace.isp;

/** Group of authors by their number of followers. The names are stored. */
public enum Group {
  low,
  middle,
  high;

  public static Group of(int followers) {
    return followers <= 500 ? low : followers <= 5000 ? middle : high;
  }
}
