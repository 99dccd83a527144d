"""The page in a browser without network: no error, nothing wider than the screen, axe-core clean.

It needs Chromium, and `npm install puppeteer-core axe-core` in the folder that NODE_HOME names.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ddoq.report.finished import FinishedRun
from ddoq.report.page import write_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
MODULES = Path(os.environ.get("NODE_HOME", "node_modules")).resolve()
SCRIPT = """
const puppeteer = require(process.env.NODE_HOME + "/puppeteer-core");
const axe = require("fs").readFileSync(process.env.NODE_HOME + "/axe-core/axe.min.js", "utf8");
(async () => {
  const [file, browserPath] = process.argv.slice(2), found = [];
  const browser = await puppeteer.launch(
    {executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu"]});
  for (const scheme of ["light", "dark"]) for (const width of [400, 900, 1400]) {
    const page = await browser.newPage(), said = [], asked = [];
    page.on("console", m => said.push(m.text()));
    page.on("pageerror", e => said.push(String(e)));
    page.on("request", r => { if (!/^(file|data):/.test(r.url())) asked.push(r.url()); });
    await page.setBypassCSP(true);
    await page.setOfflineMode(true);
    await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: scheme}]);
    await page.setViewport({width, height: 900});
    await page.goto("file://" + file);
    const beyond = await page.evaluate(() =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth);
    const smallest = await page.evaluate(() => Math.min(...[...document.querySelectorAll(
      "svg text")].map(t => t.getBoundingClientRect().height)));
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => document.activeElement.className);
    await page.evaluate(axe);
    const {violations} = await page.evaluate(() => axe.run(document));
    found.push({scheme, width, said, asked, beyond, smallest, focused,
      violations: violations.map(v => v.id + ": " + v.nodes[0].html.slice(0, 120))});
    await page.close();
  }
  await browser.close();
  console.log(JSON.stringify(found));
})();
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine"),
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js on this machine"),
    pytest.mark.skipif(
        not all((MODULES / name).is_dir() for name in ("puppeteer-core", "axe-core")),
        reason="set NODE_HOME to the node_modules with puppeteer-core and axe-core",
    ),
]


@pytest.mark.parametrize("number", [1, 2])
def test_the_page_is_right_at_every_width_light_and_dark(
    make_run: Callable[..., Path], tmp_path: Path, number: int
):
    runs = [FinishedRun.read(make_run(f"run{i}")) for i in range(number)]
    write_page(tmp_path / "page.html", runs)
    (tmp_path / "look.cjs").write_text(SCRIPT)
    done = subprocess.run(
        ["node", tmp_path / "look.cjs", tmp_path / "page.html", str(BROWSER)],
        env={**os.environ, "NODE_HOME": str(MODULES)},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    found = json.loads(done.stdout)
    assert len(found) == 6
    for seen in found:
        nothing = [seen[k] for k in ("said", "asked", "violations")]
        assert nothing == [[], [], []], seen
        assert seen["beyond"] == 0, seen
        assert seen["smallest"] >= 9, seen
        assert seen["focused"] == "skip"
