/** The process's environment, read once at start. */

export interface Config {
  contacts: string[];
  localDc: string;
  keyspace: string;
  bindAddress: string;
  port: number;
  sourceNote: string;
}

export function readConfig(env: Record<string, string | undefined>): Config {
  const wrong: string[] = [];
  const contacts = (env.CASSANDRA_CONTACTS ?? "").split(",").map((c) => c.trim()).filter(Boolean);
  if (!contacts.length) wrong.push("CASSANDRA_CONTACTS is empty; give host:port,host:port");
  for (const contact of contacts) {
    if (!/^(\[[0-9a-fA-F:]+\]|[^:\s]+)(:\d{1,5})?$/.test(contact)) {
      wrong.push(`CASSANDRA_CONTACTS: "${contact}" is no host:port`);
    }
  }
  // The one name that cannot be a bound parameter, hence the narrow alphabet.
  const keyspace = env.KEYSPACE || "social";
  if (!/^[a-z][a-z0-9_]{0,47}$/.test(keyspace)) wrong.push(`KEYSPACE: "${keyspace}" is no keyspace name`);
  const port = Number(env.PORT_HTTP || 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65535) wrong.push(`PORT_HTTP: "${env.PORT_HTTP}" is no port`);
  if (wrong.length) throw new Error(wrong.join("\n"));
  return {
    contacts,
    localDc: env.LOCAL_DC || "datacenter1",
    keyspace,
    bindAddress: env.BIND_ADDRESS || "127.0.0.1",
    port,
    sourceNote: (env.SOURCE_NOTE ?? "").trim().slice(0, 200),
  };
}
