package headrace.isp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TweetParserTest {
  private static final String GOOD = "{\"id\":\"12\",\"movie\":\"m\",\"text\":\"t\",\"created_ms\":1000,\"user\":\"u\","
      + "\"followers\":7,\"place\":\"\",\"lang\":\"en\",\"received_ms\":2000}";

  private static Tweet parse(String message) {
    return new TweetParser().parse(message.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void aWholeMessageIsATweet() {
    assertEquals(new Tweet("12", "m", "t", 1000, "u", 7, "", "en", 2000), parse(GOOD));
  }

  @Test
  void unknownFieldsAreIgnoredWhateverTheyHold() {
    assertEquals(parse(GOOD), parse(GOOD.replace("{\"id\"", "{\"x\":{\"id\":[1,{\"movie\":2}]},\"id\"")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"id", "movie", "text", "created_ms", "user", "followers", "place", "lang", "received_ms"})
  void aMessageWithoutAFieldOrWithOneTwiceIsMalformed(String field) {
    assertNull(parse(GOOD.replace("\"" + field + "\"", "\"other\"")));
    assertNull(parse(GOOD.replace("\"" + field + "\":", "\"" + field + "\":\"x\",\"" + field + "\":")));
    assertNull(parse(GOOD.replaceFirst("\"" + field + "\":(\"[^\"]*\"|[0-9]+)", "$0,\"" + field + "\":$1")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{", "[]", "null", "17", "\"text\"", "not json", "{}", "\u0000"})
  void whatIsNoObjectIsMalformed(String message) {
    assertNull(parse(message));
  }

  @Test
  void anythingAfterTheObjectIsMalformedButBlanks() {
    assertNotNull(parse(GOOD + " \n"));
    assertNull(parse(GOOD + "}"));
    assertNull(parse(GOOD + GOOD));
    assertNull(parse(GOOD.substring(0, GOOD.length() - 1)));
  }

  @Test
  void wrongTypesAreMalformed() {
    assertNull(parse(GOOD.replace("\"12\"", "12")));
    assertNull(parse(GOOD.replace(":7", ":\"7\"")));
    assertNull(parse(GOOD.replace(":7", ":7.0")));
    assertNull(parse(GOOD.replace(":7", ":null")));
    assertNull(parse(GOOD.replace("\"t\"", "null")));
    assertNull(parse(GOOD.replace("\"t\"", "{\"a\":\"t\"}")));
  }

  @Test
  void valuesOutsideTheirRangeAreMalformed() {
    assertNull(parse(GOOD.replace("\"12\"", "\"\"")));
    assertNull(parse(GOOD.replace("\"12\"", "\"12a\"")));
    assertNull(parse(GOOD.replace("\"12\"", "\"123456789012345678901\"")));
    assertNull(parse(GOOD.replace("\"m\"", "\"\"")));
    assertNull(parse(GOOD.replace("\"m\"", "\"" + "m".repeat(101) + "\"")));
    assertNull(parse(GOOD.replace(":7", ":-1")));
    assertNull(parse(GOOD.replace(":7", ":2147483648")));
    assertNull(parse(GOOD.replace(":1000", ":-1")));
    assertNull(parse(GOOD.replace(":1000", ":4102444800000")));
    assertNull(parse(GOOD.replace(":1000", ":99999999999999999999")));
    assertNotNull(parse(GOOD.replace(":7", ":2147483647").replace(":1000", ":4102444799999")));
  }

  @Test
  void bytesThatAreNoUtf8AndMissingValuesAreMalformed() {
    byte[] bytes = GOOD.getBytes(StandardCharsets.UTF_8);
    bytes[GOOD.indexOf("\"t\"") + 1] = (byte) 0xff;
    assertNull(new TweetParser().parse(bytes));
    assertNull(new TweetParser().parse(null));
  }
}
