"""How long the page of a workspace takes to load: python tests/web/loading.py WORKSPACE.

A fresh browser profile each time, from the start of the navigation until map, table and health
are drawn.
"""

import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from dwlim_ops.monitoring import serve_tree
from dwlim_ops.workspace import Workspace

N_RUNS = 7


def main(root: Path) -> None:
    """Print the median, the slowest, and what was fetched."""
    ready_s, n_requests, n_bytes = [], 0, 0
    with (serve_tree(Workspace(root).published, host="127.0.0.1", port=0) as port,
          sync_playwright() as playwright):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        for _ in range(N_RUNS):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_selector("html[data-ready]")
            ready_s.append(page.evaluate(
                "performance.getEntriesByName('ready')[0].startTime") / 1e3)
            fetched = page.evaluate("performance.getEntriesByType('resource')"
                                    ".map((one) => one.encodedBodySize)")
            n_requests, n_bytes = len(fetched) + 1, sum(fetched)
            context.close()
        browser.close()
    sys.stdout.write(f"ready after {statistics.median(ready_s):.2f} s (median of {N_RUNS}, slowest "
                     f"{max(ready_s):.2f} s); {n_requests} requests, {n_bytes / 1e3:.0f} kB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
