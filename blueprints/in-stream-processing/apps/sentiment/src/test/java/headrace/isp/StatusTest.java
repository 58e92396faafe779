package headrace.isp;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class StatusTest {
  private final Status status = new Status();

  private void wrote(long rows) {
    status.wrote(0, new PartitionResult(new Counts(), rows, 0, 0, Long.MAX_VALUE), 1, 0.1);
  }

  @Test
  void readyNeedsATriggerAndExecutorsThatReachTheStores() {
    assertFalse(status.isReady());
    status.triggered();
    assertFalse(status.isReady());
    status.connected();
    assertTrue(status.isReady());
  }

  @Test
  void aJobWhoseWarmUpFailedIsReadyOnceABatchIsWritten() {
    status.triggered();
    wrote(0);
    assertFalse(status.isReady(), "an empty batch reaches no store");
    wrote(1);
    assertTrue(status.isReady());
  }
}
