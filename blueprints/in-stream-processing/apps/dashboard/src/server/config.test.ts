import { describe, expect, it } from "vitest";
import { readConfig } from "./config";

describe("readConfig", () => {
  it("reads contacts, names and addresses", () => {
    const env = { CASSANDRA_CONTACTS: "127.1.0.1:20001, 127.1.0.2:20001", LOCAL_DC: "dc1", KEYSPACE: "social_x", PORT_HTTP: "20007", BIND_ADDRESS: "127.1.0.9" };
    expect(readConfig(env)).toEqual({
      contacts: ["127.1.0.1:20001", "127.1.0.2:20001"],
      localDc: "dc1",
      keyspace: "social_x",
      bindAddress: "127.1.0.9",
      port: 20007,
      sourceNote: "",
    });
  });
  it("names everything that is wrong at once", () => {
    const wrong = { CASSANDRA_CONTACTS: "a b", KEYSPACE: "social; DROP", PORT_HTTP: "high" };
    expect(() => readConfig(wrong)).toThrow(/CASSANDRA_CONTACTS.*\n.*KEYSPACE.*\n.*PORT_HTTP/);
    expect(() => readConfig({})).toThrow(/CASSANDRA_CONTACTS is empty/);
  });
});
