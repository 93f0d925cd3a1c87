"""Lays out the sample watershed as a run of WEPPcloud and has it done, through rq itself."""

import os
import shutil
import sys
from pathlib import Path

from redis import Redis
from rq import Queue

RUN = os.environ.get("SAMPLE_RUN", "sample-watershed")
FOLDER = Path("/wc1/runs") / RUN[:2] / RUN / "wepp"
WEPP = "wepppy.rq.wepp_rq."


def lay_out():
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "output").mkdir(parents=True)
    shutil.copytree("/sample", FOLDER / "runs")
    for hillslope in range(2, 8):
        shutil.copy(FOLDER / "runs/p1.cli", FOLDER / f"runs/p{hillslope}.cli")
    shutil.copy(FOLDER / "runs/p1.cli", FOLDER / "runs/pw0.cli")


def main():
    lay_out()
    password = Path(os.environ["REDIS_PASSWORD_FILE"]).read_text().strip()
    redis = Redis(host="redis", db=9, password=password)
    queue = Queue("default", connection=redis)
    hillslopes = queue.enqueue(WEPP + "_run_hillslopes_rq", RUN, job_timeout=600)
    watershed = queue.enqueue(WEPP + "run_watershed_rq", RUN, wepp_bin="wepp", job_timeout=600, depends_on=hillslopes)
    for job in hillslopes, watershed:
        result = job.latest_result(timeout=300)
        if result is None or result.type != result.Type.SUCCESSFUL:
            sys.exit(f"{job.id}: {job.get_status()}: {result and result.exc_string}")
        print(f"{job.id}: {job.get_status()}: {job.return_value()}")
    print((FOLDER / "output/loss_pw0.txt").read_text()[:400])


main()
