"""`intertie settle many` on Sail and on Apache Spark, in an environment of its own. One JSON object a line in, one out:

{"do": "settle", "engine": "sail" or "spark", "job": F, "readings": D, "out": D, "part_meters": N, "wave": N}: what the run did.
Sail's server runs in this process, Spark's is started by its client; each once, at its first use.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

SOURCE = str(Path(__file__).parent.parent.parent / "src")
sys.path.insert(0, SOURCE)
# their workers are other processes
os.environ.update(
    PYTHONPATH=SOURCE,
    PYSPARK_PYTHON=sys.executable,
    RUST_LOG="error",
    SPARK_LOCAL_IP="127.0.0.1",
    SPARK_TESTING="1",  # a port that is free: two runs on one machine do not meet
)

from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.errors import PySparkRuntimeError  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from intertie.bindings.spark_connect.cluster import Cluster, connect  # noqa: E402
from intertie.formats.many_job import read_job  # noqa: E402
from intertie.gateway.settlement.settle_many import settle_many  # noqa: E402
from intertie.stores.many_files import LinesFolder, ReadingsFolder  # noqa: E402

TASKS = 2
STARTS = 3
SESSIONS: dict[str, Any] = {}
SERVERS: list[Any] = []


def session(engine: str) -> Any:
    """Over Spark Connect, both of them."""
    if engine not in SESSIONS:
        if engine == "sail":
            SERVERS.append(SparkConnectServer())
            SERVERS[0].start(background=True)
            SESSIONS[engine] = connect(f"sc://localhost:{SERVERS[0].listening_address[1]}").spark
        else:
            SESSIONS[engine] = _spark()
    return SESSIONS[engine]


def _spark() -> Any:
    """Spark's own. Its machine of Java ends now and then before it has begun: then it is started again."""
    local = SparkSession.builder.remote("local[2]").config("spark.ui.enabled", "false")
    local = local.config("spark.connect.grpc.binding.address", "127.0.0.1")
    for _ in range(STARTS - 1):
        try:
            return local.getOrCreate()
        except PySparkRuntimeError as error:
            sys.stderr.write(f"{error}\n")
            time.sleep(1.0)
    return local.getOrCreate()


def settle(asked: dict[str, Any]) -> dict[str, Any]:
    """One run."""
    readings = ReadingsFolder(Path(asked["readings"]))
    cluster = Cluster(session(asked["engine"]), readings, TASKS, asked["wave"])
    job = read_job(Path(asked["job"]).read_bytes())
    done = settle_many(
        job, readings, LinesFolder(Path(asked["out"])), cluster, part_meters=asked["part_meters"]
    )
    return done._asdict()


def main() -> None:
    """Answers until nobody asks."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what servers print is no answer
    for line in sys.stdin:
        answer = settle(json.loads(line))
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
