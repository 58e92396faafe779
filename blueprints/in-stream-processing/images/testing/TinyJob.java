import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/** A job for the tests of the Spark image: a sum, computed by executors. */
public final class TinyJob {
  public static void main(String[] arguments) {
    SparkSession spark = SparkSession.builder().appName("tiny").getOrCreate();
    List<Integer> numbers = IntStream.rangeClosed(1, 1000).boxed().collect(Collectors.toList());
    int sum = JavaSparkContext.fromSparkContext(spark.sparkContext()).parallelize(numbers, 4).reduce(Integer::sum);
    long rows = spark.range(100).filter("id % 2 = 0").count();
    spark.stop();
    System.out.println("::result::{\"sum\":" + sum + ",\"rows\":" + rows + "}");
  }
}
