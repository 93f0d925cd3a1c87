"""The table of all kills, from the lines that KillChaosIT has added to a file: bench/run soak --table"""

import json
import sys

COUNTS = ("kills", "lost", "doubled", "settled_twice", "surviving", "rows_missing", "failed")
TITLES = ("lost", "twice at once", "settled twice", "processes left", "rows missing", "drills failed")


def percentile(times, part):
    return f"{sorted(times)[int(len(times) * part)] / 1000:.1f} s" if times else ""


def main():
    with open(sys.argv[1]) as file:
        lines = [json.loads(line) for line in file]
    for timings in sorted({line["timings"] for line in lines}, reverse=True):
        print(f"\n| killed at, timings {timings} | kills | {' | '.join(TITLES)} | again after, p50 | p99 |")
        print("| --- " * (len(COUNTS) + 3) + "|")
        all_times = []
        total = dict.fromkeys(COUNTS, 0)
        of_timings = [line for line in lines if line["timings"] == timings]
        for boundary in dict.fromkeys(line["boundary"] for line in of_timings):
            runs = [line for line in of_timings if line["boundary"] == boundary]
            counts = {name: sum(run[name] for run in runs) for name in COUNTS}
            times = [time for run in runs for time in run["recovery_ms"]]
            row(boundary, counts, times)
            total = {name: total[name] + counts[name] for name in COUNTS}
            all_times += times
        row("all", total, all_times)


def row(boundary, counts, times):
    cells = [boundary, *(str(counts[name]) for name in COUNTS), percentile(times, 0.5), percentile(times, 0.99)]
    print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
