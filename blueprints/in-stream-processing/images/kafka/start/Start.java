import java.util.Arrays;

/**
 * Start SETTINGS [FORMAT-ARGUMENT…]: a node of Kafka's, after Kafka's own tool has formatted its volume if arguments for that
 * are given. In one JVM: a second one would cost every first start some seconds of processor time.
 */
public final class Start {
  public static void main(String[] arguments) {
    String[] format = Arrays.copyOfRange(arguments, 1, arguments.length);
    try {
      if (format.length > 0 && kafka.tools.StorageTool.execute(format, System.out) != 0) refuse("see above");
    } catch (Exception failure) {
      refuse(failure.getMessage());
    }
    kafka.Kafka.main(new String[] {arguments[0]});
  }

  private static void refuse(String why) {
    System.err.println("the volume could not be formatted: " + why);
    System.exit(64);
  }
}
