/** Starts the dashboard from its environment; SIGTERM and SIGINT end it. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { CassandraRepository } from "./cassandra";
import { readConfig } from "./config";
import { loadFiles } from "./files";
import { Health } from "./health";
import { Histories } from "./history";
import { makeServer } from "./http";
import { Hub } from "./hub";
import { Metrics } from "./metrics";
import { Poller } from "./poller";

function main(): void {
  const config = readConfig(process.env);
  const clock = Date.now;
  const metrics = new Metrics();
  const repository = new CassandraRepository(config);
  const hub = new Hub(metrics, randomBytes(6).toString("hex"), clock);
  const poller = new Poller(repository, hub.publish.bind(hub), metrics, clock);
  const server = makeServer({
    repository,
    poller,
    hub,
    histories: new Histories(repository, clock),
    health: new Health(repository, clock),
    metrics,
    files: loadFiles(join(__dirname, "page"), config.sourceNote),
    clock,
  });
  server.on("error", (error) => {
    process.stderr.write(`cannot listen on ${config.bindAddress}:${config.port}: ${error.message}\n`);
    process.exit(1);
  });
  server.listen(config.port, config.bindAddress, () => {
    const { address, port } = server.address() as AddressInfo;
    process.stdout.write(`dashboard listens on ${address}:${port}\n`);
  });
  poller.start();

  const stop = () => {
    poller.stop();
    hub.closeAll();
    server.close(() => void repository.close().finally(() => process.exit(0)));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 2000).unref();
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

try {
  main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
