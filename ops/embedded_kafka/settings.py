"""Kafka's and the JVM's settings for one node on loopback. Pure: text in, text out.

All paths inside are relative to the data directory (the JVM's working directory), so no path needs escaping.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ops.embedded_kafka.locations import DataDir

HOST = "127.0.0.1"
NODE_ID = 1

# The same flags must be given when the AOT cache is recorded and when it is used: the JVM refuses it otherwise.
JVM_FLAGS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",  # a broker that limps on after it would look alive and lose requests
    "-XX:-UsePerfData",
    # Cached machine code is tied to the CPU it was made on, and home directories travel; the gain is in the classes.
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-AOTAdapterCaching",
    "-XX:-AOTStubCaching",
    "-Xlog:aot*=off",
    "-Xlog:cds*=off",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
)

KAFKA = ("kafka.Kafka", "server.properties")
"""Main class and argument of the broker."""

# These would reach into the JVM from the user's shell.
FOREIGN_JVM_VARIABLES = ("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JDK_AOT_VM_OPTIONS")


def server_properties(port: int, controller_port: int) -> str:
    """``server.properties`` of a single KRaft node that is broker and controller; both ports on loopback only."""
    return f"""\
process.roles=broker,controller
node.id={NODE_ID}
controller.quorum.voters={NODE_ID}@{HOST}:{controller_port}
listeners=PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}
advertised.listeners=PLAINTEXT://{HOST}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=kafka

# Topics are applied from reviewed files, never guessed from a typing mistake.
auto.create.topics.enable=false

# One node: every internal topic has one replica, and few partitions are enough.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4

# A group of one machine need not wait for members still to come.
group.initial.rebalance.delay.ms=0
# Consumers may ask to be missed sooner than after Kafka's least 6 s: on one machine a heartbeat is not late.
group.min.session.timeout.ms=1000
# After a kill -9 the node's old registration must lapse before the new one is accepted.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# An open transaction of a killed producer holds back every read_committed reader until it is found.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# 128 MB by default, a quarter of the heap.
log.cleaner.dedupe.buffer.size=16777216
"""


LOG4J_PROPERTIES = """\
status = warn
# Log4j's own hook would end the log before Kafka's last words.
shutdownHook = disable

appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = logs/server.log
appender.file.filePattern = logs/server.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3

rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


def java_command(
    java: Path, jars: Sequence[Path], data: DataDir, main: Sequence[str], extra_flags: Sequence[str] = ()
) -> list[str]:
    """The command line of a JVM that runs ``main`` (class, arguments) in ``data.root``."""
    return [
        str(java),
        data.marker,
        *JVM_FLAGS,
        *extra_flags,
        "-XX:ErrorFile=logs/hs_err_pid%p.log",
        f"-Djava.io.tmpdir={data.scratch}",
        "-Dlog4j2.configurationFile=log4j2.properties",
        "-cp",
        ":".join(str(jar) for jar in jars),
        *main,
    ]
