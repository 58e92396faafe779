package headrace.isp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileNotFoundException;
import java.nio.file.Files;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalCheckpointFilesTest {
  @TempDir
  java.nio.file.Path folder;
  private LocalCheckpointFiles files;
  private Path name;

  @BeforeEach
  void makeThem() {
    files = new LocalCheckpointFiles(new Path("file://" + folder), new Configuration(false));
    name = new Path("file://" + folder + "/7");
  }

  private void write(String text, boolean overwrite) throws Exception {
    try (var out = files.createAtomic(name, overwrite)) {
      out.write(text.getBytes());
    }
  }

  private String[] listed() {
    return Arrays.stream(files.list(new Path(folder.toUri()))).map(status -> status.getPath().getName()).toArray(String[]::new);
  }

  @Test
  void aFileAppearsWholeWhenItIsClosed() throws Exception {
    var out = files.createAtomic(name, false);
    out.write("whole".getBytes());
    assertFalse(files.exists(name));
    out.close();
    out.close();
    try (FSDataInputStream in = files.open(name)) {
      assertArrayEquals("whole".getBytes(), in.readAllBytes());
      in.seek(2);
      assertEquals('o', in.read());
    }
    assertArrayEquals(new String[] {"7"}, listed());
  }

  @Test
  void aCancelledFileLeavesNothing() throws Exception {
    var out = files.createAtomic(name, true);
    out.write(1);
    out.cancel();
    out.close();
    assertEquals(0, listed().length);
  }

  @Test
  void anExistingFileIsKeptUnlessItMayBeOverwritten() throws Exception {
    write("one", false);
    assertThrows(FileAlreadyExistsException.class, () -> write("two", false));
    assertEquals("one", Files.readString(folder.resolve("7")));
    write("three", true);
    assertEquals("three", Files.readString(folder.resolve("7")));
    assertArrayEquals(new String[] {"7"}, listed());
  }

  @Test
  void whatIsNotThereIsNotFoundAndDeletingItIsNoError() {
    assertThrows(FileNotFoundException.class, () -> files.open(name));
    assertThrows(FileNotFoundException.class, () -> files.list(new Path(name, "none")));
    files.delete(name);
    assertTrue(files.isLocal());
  }

  @Test
  void aCheckpointThatIsNotLocalIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new LocalCheckpointFiles(new Path("hdfs://host/x"), new Configuration(false)));
  }
}
