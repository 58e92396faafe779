package headrace.isp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BacklogTest {
  private static final long AT = Period.minuteOf(1795000000123L);
  private static final long LATER = AT + 10 * Period.MINUTE;
  private static final MovieMinute A = new MovieMinute("a", AT);
  private static final MovieMinute B = new MovieMinute("b", AT);

  private final Backlog backlog = new Backlog();

  private static BatchId batch(long number) {
    return new BatchId("q", number);
  }

  private void writeHours() {
    backlog.wroteHours(backlog.hoursToWrite());
  }

  @Test
  void hoursAreWrittenOnceForEachBatchThatTouchedThem() {
    backlog.wrote(batch(1), Set.of(A));
    assertEquals(Set.of(A.hour()), backlog.hoursToWrite().hours());
    writeHours();
    assertEquals(Set.of(), backlog.hoursToWrite().hours());
    backlog.wrote(batch(2), Set.of(A, B));
    assertEquals(Set.of(A.hour(), B.hour()), backlog.hoursToWrite().hours());
  }

  @Test
  void hoursOfABatchThatCameWhileOthersWereWrittenStayDue() {
    backlog.wrote(batch(1), Set.of(A));
    Backlog.Hours due = backlog.hoursToWrite();
    backlog.wrote(batch(2), Set.of(A));
    backlog.wroteHours(due);
    assertEquals(Set.of(A.hour()), backlog.hoursToWrite().hours());
  }

  @Test
  void foldingAMinuteKeepsItsHourDue() {
    backlog.wrote(batch(1), Set.of(A));
    backlog.began(batch(2));
    backlog.folded(A, batch(2));
    assertEquals(Set.of(A.hour()), backlog.hoursToWrite().hours());
    assertEquals(List.of(batch(1)), backlog.settledBefore(batch(2), LATER));
  }

  @Test
  void nothingIsFoldedWhileItIsNotKnownWhatIsCommitted() {
    backlog.recovered(batch(1), Set.of(A));
    assertNull(backlog.limit());
  }

  @Test
  void onlyClosedMinutesOfBatchesBeforeTheCurrentOneAreFolded() {
    backlog.wrote(batch(1), Set.of(A));
    backlog.wrote(batch(2), Set.of(B));
    assertEquals(Set.of(A), backlog.minutesToFold(batch(2), LATER));
    assertEquals(Set.of(A, B), backlog.minutesToFold(batch(3), LATER));
    assertEquals(Set.of(), backlog.minutesToFold(batch(3), AT + Period.MINUTE));
    backlog.folded(A, batch(2));
    assertEquals(Set.of(B), backlog.minutesToFold(batch(3), LATER));
  }

  @Test
  void aMinuteTouchedAgainIsFoldedAgain() {
    backlog.wrote(batch(1), Set.of(A));
    backlog.folded(A, batch(2));
    backlog.wrote(batch(2), Set.of(A));
    assertEquals(Set.of(A), backlog.minutesToFold(batch(3), LATER));
  }

  @Test
  void batchesOfAnEarlierQueryAreFoldedWhateverTheirNumber() {
    backlog.recovered(new BatchId("old", 99), Set.of(A));
    assertEquals(Set.of(A), backlog.minutesToFold(batch(0), LATER));
    writeHours();
    backlog.folded(A, batch(0));
    assertEquals(List.of(new BatchId("old", Long.MAX_VALUE)), backlog.settledBefore(batch(0), LATER));
  }

  @Test
  void statisticsAreFoldedUpToTheFirstBatchThatIsNotSettled() {
    for (int i = 1; i <= 4; i++) backlog.wrote(batch(i), Set.of(i == 3 ? B : A));
    writeHours();
    backlog.folded(A, batch(5));
    assertEquals(List.of(batch(3)), backlog.settledBefore(batch(5), LATER));
    backlog.folded(B, batch(5));
    assertEquals(List.of(batch(5)), backlog.settledBefore(batch(5), LATER));
    assertEquals(List.of(), backlog.settledBefore(batch(5), LATER));
  }

  @Test
  void aMinuteFarInTheFutureHoldsNothingUp() {
    backlog.wrote(batch(1), Set.of(new MovieMinute("a", LATER + 24 * Period.HOUR)));
    writeHours();
    assertEquals(Set.of(), backlog.minutesToFold(batch(2), LATER));
    assertEquals(List.of(batch(2)), backlog.settledBefore(batch(2), LATER));
  }

  @Test
  void aReplayedBatchIsDueAgain() {
    backlog.recovered(batch(1), Set.of(A));
    writeHours();
    backlog.began(batch(1));
    backlog.wrote(batch(1), Set.of(A));
    backlog.recovered(batch(1), Set.of());
    assertEquals(Set.of(A.hour()), backlog.hoursToWrite().hours());
    assertEquals(Set.of(), backlog.minutesToFold(batch(1), LATER));
  }
}
