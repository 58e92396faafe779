package headrace.isp;

import java.io.Serializable;
import java.util.List;

/** Where the tables are. @param contacts `host:port` of some nodes */
public record CassandraAddress(List<String> contacts, String datacenter, String keyspace) implements Serializable {
  public CassandraAddress {
    contacts = List.copyOf(contacts);
  }
}
