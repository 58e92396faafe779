package headrace.isp;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathFilter;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager;

/**
 * Checkpoint files in a folder of this machine, by plain Java. Spark's own way to local files, Hadoop's, forks a `chmod` several
 * times for each file, most of 100 ms in every micro-batch, and forces nothing to disk. Here a file is on disk, whole, under its
 * name when its writer has closed it, or it is not there.
 */
public final class LocalCheckpointFiles implements CheckpointFileManager {
  private final java.nio.file.Path root;

  /** What Spark calls. */
  public LocalCheckpointFiles(Path root, Configuration unused) {
    this.root = local(root);
  }

  private static java.nio.file.Path local(Path path) {
    String scheme = path.toUri().getScheme();
    if (scheme != null && !scheme.equals("file")) throw new IllegalArgumentException("the checkpoint is not a local folder: " + path);
    return java.nio.file.Path.of(path.toUri().getPath());
  }

  @Override
  public CancellableFSDataOutputStream createAtomic(Path path, boolean overwriteIfPossible) {
    try {
      return new AtomicFile(path, overwriteIfPossible);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static final class AtomicFile extends CancellableFSDataOutputStream {
    private final Path name;
    private final java.nio.file.Path target;
    private final java.nio.file.Path draft;
    private final FileOutputStream out;
    private final boolean overwrite;
    private boolean ended;

    AtomicFile(Path name, boolean overwrite) throws IOException {
      this(name, local(name).resolveSibling("." + name.getName() + "." + UUID.randomUUID() + ".tmp"), overwrite);
    }

    private AtomicFile(Path name, java.nio.file.Path draft, boolean overwrite) throws IOException {
      this(name, draft, overwrite, new FileOutputStream(draft.toFile()));
    }

    private AtomicFile(Path name, java.nio.file.Path draft, boolean overwrite, FileOutputStream out) {
      super(out);
      this.name = name;
      this.target = local(name);
      this.draft = draft;
      this.overwrite = overwrite;
      this.out = out;
    }

    @Override
    public synchronized void close() throws IOException {
      if (ended) return;
      ended = true;
      try {
        flush();
        out.getFD().sync();
        super.close();
        if (overwrite) {
          Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE);
        } else {
          Files.createLink(target, draft); // fails if another driver wrote the same batch: then this one must stop
        }
        try (FileChannel folder = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
          folder.force(true);
        }
      } catch (java.nio.file.FileAlreadyExistsException e) {
        throw new FileAlreadyExistsException(name + " exists");
      } finally {
        out.close();
        Files.deleteIfExists(draft);
      }
    }

    @Override
    public synchronized void cancel() {
      if (ended) return;
      ended = true;
      try {
        out.close();
        Files.deleteIfExists(draft);
      } catch (IOException left) {
        // a draft that nobody reads
      }
    }
  }

  @Override
  public FSDataInputStream open(Path path) {
    try {
      return new FSDataInputStream(new Bytes(Files.readAllBytes(local(path))));
    } catch (NoSuchFileException e) {
      throw sneaky(new java.io.FileNotFoundException(path.toString()));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Spark's trait declares no exceptions, being Scala; its callers await this very type. */
  @SuppressWarnings("unchecked")
  private static <E extends Exception> RuntimeException sneaky(Exception exception) throws E {
    throw (E) exception;
  }

  /** The whole of a small file. */
  private static final class Bytes extends FSInputStream {
    private final ByteBuffer bytes;

    Bytes(byte[] contents) {
      bytes = ByteBuffer.wrap(contents);
    }

    @Override
    public int read() {
      return bytes.hasRemaining() ? bytes.get() & 0xff : -1;
    }

    @Override
    public int read(byte[] into, int offset, int length) {
      if (length == 0) return 0;
      if (!bytes.hasRemaining()) return -1;
      int count = Math.min(length, bytes.remaining());
      bytes.get(into, offset, count);
      return count;
    }

    @Override
    public void seek(long position) {
      bytes.position((int) position);
    }

    @Override
    public long getPos() {
      return bytes.position();
    }

    @Override
    public boolean seekToNewSource(long position) {
      return false;
    }
  }

  @Override
  public FileStatus[] list(Path path, PathFilter filter) {
    File[] files = local(path).toFile().listFiles();
    if (files == null) throw sneaky(new java.io.FileNotFoundException(path.toString()));
    List<FileStatus> found = new ArrayList<>();
    for (File file : files) {
      Path child = new Path(path, file.getName());
      if (filter.accept(child)) found.add(new FileStatus(file.length(), file.isDirectory(), 1, 0, file.lastModified(), child));
    }
    return found.toArray(FileStatus[]::new);
  }

  @Override
  public void mkdirs(Path path) {
    try {
      Files.createDirectories(local(path));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Override
  public boolean exists(Path path) {
    return Files.exists(local(path));
  }

  @Override
  public void delete(Path path) {
    try {
      Files.deleteIfExists(local(path));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Override
  public boolean isLocal() {
    return true;
  }

  @Override
  public Path createCheckpointDirectory() {
    Path path = new Path(root.toUri());
    mkdirs(path);
    return path;
  }
}
