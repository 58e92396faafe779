package headrace.isp;

import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Settings of a process, read from its environment variables. Every error names the variable. */
public record Environment(Map<String, String> variables) {

  public String text(String name) {
    String value = variables.get(name);
    if (value == null || value.isBlank()) throw new IllegalArgumentException(name + " is not set");
    return value.strip();
  }

  public String text(String name, String otherwise) {
    String value = variables.get(name);
    return value == null || value.isBlank() ? otherwise : value.strip();
  }

  public int number(String name, int otherwise) {
    String value = text(name, Integer.toString(otherwise));
    try {
      return Integer.parseInt(value);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(name + ": \"" + value + "\" is not a number");
    }
  }

  /** A CQL name: it becomes part of statements. */
  public String keyspace() {
    String name = text("KEYSPACE", "social");
    if (!name.matches("[a-z][a-z0-9_]{0,47}")) {
      throw new IllegalArgumentException("KEYSPACE: \"" + name + "\" is not a lower-case name of letters, digits and _");
    }
    return name;
  }

  public CassandraAddress cassandra() {
    List<String> contacts = Arrays.stream(text("CASSANDRA_CONTACTS").split(",")).map(String::strip).toList();
    contacts.forEach(contact -> address("CASSANDRA_CONTACTS", contact));
    return new CassandraAddress(contacts, text("LOCAL_DC", "datacenter1"), keyspace());
  }

  /** `host:port`, unresolved until used. */
  public static InetSocketAddress address(String name, String value) {
    int colon = value.lastIndexOf(':');
    if (colon > 0 && value.substring(colon + 1).matches("[0-9]{1,5}")) {
      int port = Integer.parseInt(value.substring(colon + 1));
      if (port > 0 && port < 65536) return InetSocketAddress.createUnresolved(value.substring(0, colon), port);
    }
    throw new IllegalArgumentException(name + ": \"" + value + "\" is not host:port");
  }
}
