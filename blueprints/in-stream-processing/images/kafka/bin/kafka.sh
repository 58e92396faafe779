# Sourced by the entry points: what broker and controller have in common.
. /opt/headrace/entry.sh
data=${KAFKA_DATA:-/var/lib/kafka}  # another folder only while the archive is made
settings=/tmp/$(basename "$0").properties
archive=/opt/kafka/archive/kafka.jsa

# kafka_java LOG MAIN ARGUMENT…: the JVM with this image's classpath and archive. C1 alone starts a third faster and
# takes less memory; JVM_FLAGS replaces that choice where throughput matters more.
kafka_java() {
  log=$1
  shift
  exec java -Xmx"${HEAP:-96m}" ${JVM_FLAGS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1} -XX:+ExitOnOutOfMemoryError \
    -XX:SharedArchiveFile="$archive" -Dlog4j2.configurationFile="/opt/kafka/$log" \
    -cp "$(cat /opt/kafka/classpath)" ${JVM_EXTRA:-} "$@"
}

# The settings that both roles must agree on. A topic's replication never exceeds the brokers there are: the blueprint
# gives REPLICATION = min(3, brokers).
common_settings() {
  need HOST BIND_ADDRESS NODE_ID CLUSTER_ID CONTROLLER_SERVERS REPLICATION
  if [ "$REPLICATION" -ge 3 ]; then in_sync=2; else in_sync=1; fi
  in_sync=${MIN_ISR:-$in_sync}
  cat << END
node.id=$NODE_ID
controller.quorum.bootstrap.servers=$CONTROLLER_SERVERS
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data/log
default.replication.factor=$REPLICATION
min.insync.replicas=$in_sync
unclean.leader.election.enable=false
auto.create.topics.enable=false
offsets.topic.replication.factor=$REPLICATION
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=$REPLICATION
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=$REPLICATION
share.coordinator.state.topic.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
background.threads=2
END
}

# run FORMAT-ARGUMENT…: the node of $settings; its volume is formatted for CLUSTER_ID unless it is already.
run() {
  if [ -f "$data/log/meta.properties" ]; then set --; else set -- format -t "$CLUSTER_ID" -c "$settings" "$@"; fi
  kafka_java log4j2.yaml Start "$settings" "$@"
}
