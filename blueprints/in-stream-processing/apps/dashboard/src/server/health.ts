/** Whether Cassandra answers, asked at most every half second however often /health is called. */
import type { Repository } from "./repository";

const FRESH_MS = 500;
const PATIENCE_MS = 2000;

export class Health {
  private asked: { at: number; answer: Promise<string> } | undefined;

  constructor(
    private readonly repository: Repository,
    private readonly clock: () => number = Date.now,
  ) {}

  /** The cause why Cassandra does not answer; empty when it does. */
  cause(): Promise<string> {
    const now = this.clock();
    if (!this.asked || now - this.asked.at >= FRESH_MS) this.asked = { at: now, answer: this.ask() };
    return this.asked.answer;
  }

  private async ask(): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, `no answer from Cassandra within ${PATIENCE_MS} ms`);
    });
    const answer = this.repository.check().then(
      () => "",
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const first = await Promise.race([answer, patience]);
    clearTimeout(timer);
    return first;
  }
}
