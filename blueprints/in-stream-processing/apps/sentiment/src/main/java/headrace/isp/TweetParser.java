package headrace.isp;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** Strict reader of the topic's messages: anything that is not exactly what DATA.md describes is malformed. */
public final class TweetParser {
  private static final long LAST_CREATED_MS = 4102444799999L; // end of 2099; keeps `day` an int and dates printable
  private static final int ALL_FIELDS = (1 << 9) - 1;

  private final JsonFactory json = new JsonFactory();

  /** The tweet, or null if the message is malformed. Never throws. */
  public Tweet parse(byte[] message) {
    if (message == null) return null;
    try (JsonParser in = json.createParser(message)) {
      return read(in);
    } catch (IOException malformed) {
      return null;
    }
  }

  private static Tweet read(JsonParser in) throws IOException {
    if (in.nextToken() != JsonToken.START_OBJECT) return null;
    String id = null;
    String movie = null;
    String text = null;
    String user = null;
    String place = null;
    String lang = null;
    long created = 0;
    long followers = 0;
    long received = 0;
    int seen = 0;
    for (String field = in.nextFieldName(); field != null; field = in.nextFieldName()) {
      int bit;
      switch (field) {
        case "id" -> { bit = 1; id = string(in); }
        case "movie" -> { bit = 1 << 1; movie = string(in); }
        case "text" -> { bit = 1 << 2; text = string(in); }
        case "created_ms" -> { bit = 1 << 3; created = integer(in); }
        case "user" -> { bit = 1 << 4; user = string(in); }
        case "followers" -> { bit = 1 << 5; followers = integer(in); }
        case "place" -> { bit = 1 << 6; place = string(in); }
        case "lang" -> { bit = 1 << 7; lang = string(in); }
        case "received_ms" -> { bit = 1 << 8; received = integer(in); }
        default -> {
          in.nextToken();
          in.skipChildren();
          continue;
        }
      }
      if ((seen & bit) != 0) return null;
      seen |= bit;
    }
    boolean whole = in.currentToken() == JsonToken.END_OBJECT && in.nextToken() == null && seen == ALL_FIELDS;
    if (!whole || !isId(id) || movie.isEmpty() || movie.length() > 100) return null;
    if (created < 0 || created > LAST_CREATED_MS || followers < 0 || followers > Integer.MAX_VALUE) return null;
    return new Tweet(id, movie, text, created, user, (int) followers, place, lang, received);
  }

  private static boolean isId(String id) {
    return !id.isEmpty() && id.length() <= 20 && id.chars().allMatch(c -> c >= '0' && c <= '9');
  }

  private static String string(JsonParser in) throws IOException {
    if (in.nextToken() != JsonToken.VALUE_STRING) throw new IOException("not a string");
    return in.getText();
  }

  private static long integer(JsonParser in) throws IOException {
    if (in.nextToken() != JsonToken.VALUE_NUMBER_INT) throw new IOException("not an integer");
    return in.getLongValue(); // throws if it does not fit
  }
}
