/** The tables that the dashboard reads, as in DATA.md, one copy of each row. */
export function schema(keyspace: string, localDc: string): string[] {
  return [
    `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', '${localDc}': 1}`,
    `CREATE TABLE IF NOT EXISTS ${keyspace}.movies (slug text PRIMARY KEY, title text, query text, released date)`,
    `CREATE TABLE IF NOT EXISTS ${keyspace}.timeline (movie text, day int, created timestamp, id text, sentiment text, grp text,
       user text, followers int, text text, PRIMARY KEY ((movie, day), created, id)) WITH CLUSTERING ORDER BY (created DESC, id DESC)`,
    `CREATE TABLE IF NOT EXISTS ${keyspace}.minute_counts (movie text, day int, minute timestamp, grp text, query_id text,
       batch_id bigint, positive bigint, negative bigint, neutral bigint,
       PRIMARY KEY ((movie, day), minute, grp, query_id, batch_id))`,
    `CREATE TABLE IF NOT EXISTS ${keyspace}.hour_counts (movie text, year int, hour timestamp, grp text, positive bigint,
       negative bigint, neutral bigint, PRIMARY KEY ((movie, year), hour, grp))`,
  ];
}
