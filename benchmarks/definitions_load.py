"""Loading the code location against a bare `import dagster`, side by side: `python benchmarks/definitions_load.py`.

Every run and every code server pays this load again. The design's ceiling is 1.5x.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 7
COMMANDS = {"import dagster": "import dagster", "load definitions": "import svta_assets.definitions"}


def seconds(code: str) -> float:
    """Wall seconds of a fresh interpreter that runs `code`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Alternate the two commands and print medians and the ratio of the pairs."""
    for code in COMMANDS.values():
        seconds(code)  # warm the disk cache
    rounds = [{name: seconds(code) for name, code in COMMANDS.items()} for _ in range(ROUNDS)]
    for name in COMMANDS:
        print(f"{name:18} {statistics.median(row[name] for row in rounds):.2f} s (median of {ROUNDS})")
    ratios = [row["load definitions"] / row["import dagster"] for row in rounds]
    print(f"ratio              {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
