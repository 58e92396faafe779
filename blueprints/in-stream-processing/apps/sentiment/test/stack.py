"""The platform's parts as containers of its images, run as Headrace runs them: for tests and benchmarks of `sentiment`.

Host networking on addresses and ports of this run only; everything started is removed at the end, volumes too.
"""

import os
import random
import signal
import subprocess
import sys
import time

PREFIX = "headrace/isp-"
CONSTRAINTS = ["--network", "host", "--read-only", "--tmpfs", "/tmp:exec", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
PATIENCE = 240  # seconds; other work may share the machine


class Broken(Exception):
    pass


def docker(*arguments, check=True):
    done = subprocess.run(["docker", *map(str, arguments)], text=True, capture_output=True, timeout=PATIENCE)
    if check and done.returncode:
        raise Broken(f"docker {' '.join(map(str, arguments[:3]))} …: {done.stderr.strip()[-1500:]}")
    return done.stdout + done.stderr


class Container:
    """Looks like subprocess.Popen where tests need it."""

    def __init__(self, run, part, image, command, volume=None, memory="1g", **env):
        self.name = f"{run}-{part}"
        words = [word for pair in {"HEADRACE_SLOT": 0, "HEADRACE_EPOCH": 1, **env}.items() for word in ("-e", f"{pair[0]}={pair[1]}")]
        mount = ["-v", volume] if volume else []
        docker("run", "-d", "--name", self.name, "--label", run, "--memory", memory, *CONSTRAINTS, *mount, *words, PREFIX + image, *command)

    def ready(self, *check):
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["docker", "exec", self.name, "/opt/probe", *check], capture_output=True).returncode:
            if time.monotonic() > deadline or self.poll() is not None:
                raise Broken(f"{self.name} is not ready: {docker('logs', '--tail', 30, self.name)}")
            time.sleep(0.2)
        return self

    def poll(self):
        running, code = docker("inspect", "-f", "{{.State.Running}} {{.State.ExitCode}}", self.name).split()
        return None if running == "true" else int(code)

    def pid(self):
        return int(docker("inspect", "-f", "{{.State.Pid}}", self.name))

    def kill(self):
        docker("kill", self.name)

    def die_and_return(self, check):
        """SIGKILL, and the same container again on its volume."""
        docker("kill", self.name)
        docker("start", self.name)
        self.ready(check)

    def terminate(self):
        docker("stop", "-t", 20, self.name)

    def wait(self):
        docker("wait", self.name)


class Stack:
    def __init__(self, name):
        self.name = f"{name}-{os.getpid()}"
        self.net = f"127.{random.randint(20, 250)}.{random.randint(1, 250)}"
        self.port = random.randint(21000, 28000)
        self.kafka = f"{self.net}.2:{self.port}"
        self.cassandra = f"{self.net}.3:{self.port}"
        self.redis = f"{self.net}.4:{self.port}"
        self.master = f"spark://{self.net}.5:{self.port}"
        self.http = f"{self.net}.7:{self.port}"
        self.volumes = set()
        self.lives = 0

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a time limit removes what was started, too
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, kind, *_):
        if kind and kind is not KeyboardInterrupt:
            for container in self.containers():
                print(f"--- {docker('inspect', '-f', '{{.Name}}', container)}{docker('logs', '--tail', 40, container)}")
        self.remove()

    def containers(self):
        return docker("ps", "-aq", "--filter", f"label={self.name}").split()

    def remove(self):
        for container in self.containers():
            docker("rm", "-f", container, check=False)
        for volume in self.volumes:
            docker("volume", "rm", volume, check=False)

    def place(self, number):
        return {"HOST": f"{self.net}.{number}", "BIND_ADDRESS": f"{self.net}.{number}"}

    def run(self, part, image, command, folder=None, **env):
        """folder: in the container; what it holds outlives it. Later lives of a part (name-2) share the volume."""
        volume = f"{self.name}-{part.split('/')[0]}"
        if folder:
            self.volumes.add(volume)
        return Container(self.name, part.replace("/", "-"), image, command, f"{volume}:{folder}" if folder else None, **env)

    def start(self):
        controllers = f"{self.net}.1:{self.port}"
        kafka = {"CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw", "CONTROLLER_SERVERS": controllers, "REPLICATION": 1}
        controller = self.run("controller", "kafka", ["controller"], "/var/lib/kafka", PORT_CONTROLLER=self.port, NODE_ID=1,
                              INITIAL_CONTROLLERS=f"1@{controllers}:JEXY6aqzQY-32P5TStzaFg", **self.place(1), **kafka)
        self.broker = self.run("broker", "kafka", ["broker"], "/var/lib/kafka", PORT_CLIENT=self.port, NODE_ID=101, **self.place(2), **kafka)
        self.node = self.run("cassandra", "cassandra", [], "/var/lib/cassandra", SEEDS=f"{self.net}.3", INITIAL_MEMBERS=1,
                             CLUSTER_NAME=self.name, PORT_CQL=self.port, PORT_STORAGE=self.port + 1, **self.place(3))
        self.cache = self.run("redis", "redis", [], "/var/lib/redis", PORT_REDIS=self.port, MAXMEMORY="256mb", **self.place(4))
        master = self.run("master", "spark", ["master"], "/var/lib/spark", PORT_MASTER=self.port, PORT_WEB=self.port + 1, **self.place(5))
        self.worker = self.run("worker", "spark", ["worker"], PORT_WORKER=self.port, PORT_WEB=self.port + 1, MASTER_URL=self.master,
                               CORES=2, MEMORY="1g", memory="2g", **self.place(6))
        for part, check in ((controller, "kafka-controller"), (self.broker, "kafka"), (self.node, "cassandra"), (self.cache, "redis"),
                            (master, "spark-master"), (self.worker, "spark-worker")):
            part.ready(check)
        return self

    def once(self, image, *command, **env):
        words = [word for pair in env.items() for word in ("-e", f"{pair[0]}={pair[1]}")]
        return docker("run", "--rm", "--memory", "512m", *CONSTRAINTS, *words, PREFIX + image, *command)

    def topic(self, name, partitions):
        self.once("kafka", "create-topics", f"{name}:{partitions}:1", SERVERS=self.kafka)

    def setup(self, **env):
        """Its result, as text."""
        said = self.once("sentiment", "setup", CASSANDRA_CONTACTS=self.cassandra, **env)
        return next(line for line in said.splitlines() if line.startswith("::result::"))

    def driver(self, checkpoint=None, **env):
        """The job, in its next life. checkpoint: a name for another query than the usual one."""
        self.lives += 1
        if checkpoint:
            env["CHECKPOINT"] = f"file:///var/lib/sentiment/{checkpoint}"
        return self.run(f"sentiment/{self.lives}", "sentiment", [], "/var/lib/sentiment", HEADRACE_EPOCH=self.lives, MASTER_URL=self.master,
                        KAFKA_SERVERS=self.kafka, CASSANDRA_CONTACTS=self.cassandra, REDIS=self.redis, PORT_HTTP=self.port,
                        PORT_DRIVER=self.port + 1, PORT_BLOCKS=self.port + 2, **{**self.place(7), **env})

    def cache_flush(self):
        docker("exec", self.cache.name, "redis-cli", "-h", f"{self.net}.4", "-p", self.port, "flushall")

    def replay_whole_batch(self):
        """Forgets the commit of the last batch, as if the driver had died after the batch's last write: the hardest replay."""
        script = 'cd /v/checkpoint; n=$(ls offsets | sort -n | tail -1); rm -f commits/$n commits/.$n.crc; echo $n'
        return int(docker("run", "--rm", "--network", "none", "-v", f"{self.name}-sentiment:/v", PREFIX + "sentiment", "sh", "-c", script))

    def executors(self):
        """Process ids, on this machine, of the executors in the worker's container."""
        lines = docker("top", self.worker.name, "-eo", "pid,args").splitlines()
        return [int(line.split()[0]) for line in lines if "CoarseGrainedExecutorBackend" in line and "java" in line.split()[1]]

    def kill_executors(self):
        inside = docker("exec", self.worker.name, "ps", "-eo", "pid,args").splitlines()
        pids = [line.split()[0] for line in inside if "CoarseGrainedExecutorBackend" in line and "java" in line.split()[1]]
        docker("exec", self.worker.name, "kill", "-9", *pids)
