"""/bin/true, two at a time: this worker's ProcessRunner, with guard and accounting, beside xargs -P2."""

import json
import statistics
import subprocess
import sys
import time

from servers import LAUNCHER


def xargs(count):
    numbers = "\n".join(map(str, range(count)))
    start = time.monotonic()
    subprocess.run(["xargs", "-P2", "-n1", "/bin/true"], input=numbers, text=True, check=True)
    return time.monotonic() - start


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    ours = subprocess.Popen(
        [LAUNCHER, "spawn-bench", str(count), "2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    pairs = []
    for _ in range(7):
        ours.stdin.write("again\n")
        ours.stdin.flush()
        seconds = float(ours.stdout.readline())
        pairs.append((seconds, xargs(count)))
        print(f"ProcessRunner {seconds:.3f} s, xargs {pairs[-1][1]:.3f} s")
    ours.stdin.close()
    ours.wait(60)
    seconds, peer = (statistics.median(column) for column in zip(*pairs))
    ratio = statistics.median(one / other for one, other in pairs)
    print(json.dumps({"bench": "spawn", "processes": count, "at_once": 2, "seconds": round(seconds, 3),
                      "xargs": round(peer, 3), "ratio_xargs": round(ratio, 2)}))


main()
