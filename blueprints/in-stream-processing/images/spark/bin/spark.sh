# Sourced by the entry points: what master, worker and driver have in common.
. /opt/headrace/entry.sh
# C1 alone starts a third faster and takes less memory; JVM_FLAGS replaces that choice where throughput matters more.
fast=${JVM_FLAGS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1}
logging=-Dlog4j2.configurationFile=file:/opt/spark/log4j2.properties
# The text that workers give executors as well, so that all can share one archive.
classpath="$SPARK_HOME/conf/:$SPARK_HOME/jars/*"

# spark_java ARCHIVE ARGUMENT…
spark_java() {
  archive=$1
  shift
  exec java @/opt/spark/jvm17.args $fast "-XX:SharedArchiveFile=/opt/spark/archive/$archive.jsa" "$logging" ${JVM_EXTRA:-} "$@"
}

# What every process needs to know of this container. Spark listens on SPARK_LOCAL_IP with whatever has no address of its own.
announce() {
  need HOST BIND_ADDRESS
  export SPARK_LOCAL_IP="$BIND_ADDRESS" SPARK_PUBLIC_DNS="$HOST" SPARK_LOCAL_DIRS="${SPARK_LOCAL_DIRS:-/tmp/spark}"
}

# driver_settings: lines of spark-defaults.conf for a driver in this container, from the variables that `submit` documents.
driver_settings() {
  need MASTER_URL
  cat << END
spark.master $MASTER_URL
spark.submit.deployMode client
spark.driver.host $HOST
spark.driver.bindAddress $BIND_ADDRESS
spark.driver.port ${PORT_DRIVER:-0}
spark.driver.blockManager.port ${PORT_BLOCKS:-0}
spark.executor.memory ${EXECUTOR_MEMORY:-512m}
spark.executor.cores ${EXECUTOR_CORES:-1}
spark.executor.extraJavaOptions $EXECUTOR_OPTIONS
spark.scheduler.minRegisteredResourcesRatio 0
spark.memory.fraction 0.5
spark.sql.adaptive.enabled false
spark.sql.shuffle.partitions ${CORES:-2}
spark.ui.enabled $([ -n "${PORT_WEB:-}" ] && echo true || echo false)
spark.ui.port ${PORT_WEB:-0}
${CORES:+spark.cores.max $CORES}
${SETTINGS:-}
END
}

# Options of executors, for drivers that make their own SparkConf: spark.executor.extraJavaOptions.
export EXECUTOR_OPTIONS="${EXECUTOR_OPTIONS:-$fast -XX:SharedArchiveFile=/opt/spark/archive/job.jsa $logging}"
