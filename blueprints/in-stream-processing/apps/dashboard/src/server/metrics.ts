/** Counters, gauges and histograms in Prometheus' text form. Labels are few and fixed by the callers. */

type Labels = Record<string, string>;

class Series {
  private readonly values = new Map<string, number>();
  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly type: "counter" | "gauge",
  ) {}
  add(by = 1, labels: Labels = {}): void {
    const key = render(labels);
    this.values.set(key, (this.values.get(key) ?? 0) + by);
  }
  set(value: number, labels: Labels = {}): void {
    this.values.set(render(labels), value);
  }
  text(): string {
    const lines = [...this.values].map(([labels, value]) => `${this.name}${labels} ${value}`);
    return [`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} ${this.type}`, ...lines].join("\n");
  }
}

class Histogram {
  private readonly counts: number[];
  private sum = 0;
  private total = 0;
  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly bounds: number[],
  ) {
    this.counts = bounds.map(() => 0);
  }
  observe(value: number): void {
    this.sum += value;
    this.total++;
    this.bounds.forEach((bound, i) => {
      if (value <= bound) this.counts[i]++;
    });
  }
  text(): string {
    const buckets = this.bounds.map((bound, i) => `${this.name}_bucket{le="${bound}"} ${this.counts[i]}`);
    return [
      `# HELP ${this.name} ${this.help}`,
      `# TYPE ${this.name} histogram`,
      ...buckets,
      `${this.name}_bucket{le="+Inf"} ${this.total}`,
      `${this.name}_sum ${this.sum}`,
      `${this.name}_count ${this.total}`,
    ].join("\n");
  }
}

export class Metrics {
  readonly requests = new Series("dashboard_http_requests_total", "Answered requests by route and code.", "counter");
  readonly viewers = new Series("dashboard_live_clients", "Open live streams.", "gauge");
  readonly watched = new Series("dashboard_watched_movies", "Movies that are polled.", "gauge");
  readonly storeUp = new Series("dashboard_cassandra_up", "1 when Cassandra answered last time it was asked.", "gauge");
  readonly polls = new Series("dashboard_polls_total", "Polls of Cassandra by kind and result.", "counter");
  readonly events = new Series("dashboard_events_total", "Events pushed to clients by kind.", "counter");
  readonly dropped = new Series("dashboard_slow_clients_total", "Live streams closed because they did not read.", "counter");
  readonly pollSeconds = new Histogram("dashboard_poll_seconds", "Time of one poll of one movie.", [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3,
  ]);
  readonly tweetAge = new Histogram(
    "dashboard_tweet_age_seconds",
    "From a tweet's creation to its push to the page (a sample at high rates).",
    [0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120],
  );
  private readonly memory = new Series("process_resident_memory_bytes", "Resident memory.", "gauge");
  private readonly cpu = new Series("process_cpu_seconds_total", "Processor time of user and system.", "counter");

  constructor() {
    this.viewers.set(0);
    this.watched.set(0);
    this.dropped.add(0);
  }

  text(): string {
    this.memory.set(process.memoryUsage.rss());
    const { user, system } = process.cpuUsage();
    this.cpu.set((user + system) / 1e6);
    const parts = [this.requests, this.viewers, this.watched, this.storeUp, this.polls, this.events, this.dropped];
    return [...parts, this.pollSeconds, this.tweetAge, this.memory, this.cpu].map((p) => p.text()).join("\n") + "\n";
  }
}

function render(labels: Labels): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${value.replace(/[\\"\n]/g, "_")}"`);
  return parts.length ? `{${parts.join(",")}}` : "";
}
