"""The clean-up on a repository made here: GEODATA_TEST_MB of history, 20 unless told."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
MB = int(os.environ.get("GEODATA_TEST_MB", "20"))
COUNTIES, SSURGO = "wepppy/climates/cligen/county_db", "wepppy/soils/ssurgo/data"


class CleanUp(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(self.remove)
        self.repository, self.geodata, self.new = self.folder / "repository", self.folder / "geodata", self.folder / "new.git"
        self.git(self.folder, "init", "-q", "-b", "main", str(self.repository))
        chunk = MB * 1_000_000 // 20
        self.write("wepppy/__init__.py", "")
        self.write("wepppy/climates/cligen/cligen.py", "import os\nHERE = os.path.dirname(__file__)\n")
        self.write(f"{COUNTIES}/__init__.py", "import os\nNAMES = sorted(os.listdir(os.path.dirname(__file__)))\n")
        for i in range(10):
            self.write(f"{COUNTIES}/states/county{i}.par", os.urandom(chunk))
        self.write(f"{COUNTIES}/straße ü.par", "umlauts")
        self.commit("first")
        self.git(self.repository, "tag", "light")
        for i in range(4):
            self.write(f"{SSURGO}/soil{i}.db", os.urandom(chunk))
        self.write(f"{SSURGO}/run.sh", "#!/bin/sh\n", mode=0o755)
        (self.repository / SSURGO / "latest").symlink_to("soil0.db")
        self.commit("second")
        self.git(self.repository, "tag", "-a", "-m", "annotated", "v1")
        self.git(self.repository, "mv", f"{COUNTIES}/states/county0.par", f"{COUNTIES}/states/renamed.par")
        self.write(f"{COUNTIES}/states/county1.par", os.urandom(chunk))  # the old content is in the history only
        (self.repository / f"{COUNTIES}/states/county2.par").unlink()
        self.commit("third")
        self.git(self.repository, "checkout", "-q", "-b", "side", "light")
        self.write(f"{COUNTIES}/states/side.par", os.urandom(chunk))
        self.write("wepppy/side.py", "SIDE = 1\n")
        self.commit("side")
        self.git(self.repository, "checkout", "-q", "main")
        self.git(self.repository, "merge", "-q", "--no-ff", "-m", "merge", "-s", "ours", "side")

    def remove(self):
        for folder, _, _ in os.walk(self.folder):
            os.chmod(folder, 0o755)
        shutil.rmtree(self.folder)

    def git(self, where, *arguments):
        who = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "core.quotepath=off"]
        return subprocess.run(["git", "-C", str(where), *who, *arguments], check=True, capture_output=True, text=True).stdout

    def write(self, path, content, mode=0o644):
        file = self.repository / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def commit(self, message):
        self.git(self.repository, "add", "-A")
        self.git(self.repository, "commit", "-q", "-m", message)

    def arguments(self, step):
        needs = {"extract": "gv", "rewrite": "gvt", "verify": "gvt"}.get(step, "")
        options = {"g": f"--geodata={self.geodata}", "v": "--version=1", "t": f"--to={self.new}"}
        return [sys.executable, str(HERE / "clean_up.py"), step, str(self.repository), *(options[need] for need in needs)]

    def run_step(self, step, *more):
        return subprocess.run([*self.arguments(step), *more], capture_output=True, text=True)

    def done(self, step, *more):
        result = self.run_step(step, *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def refused(self, step, text, *more):
        result = self.run_step(step, *more)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn(text, result.stderr)
        self.assertNotIn("Traceback", result.stderr)

    def state(self):
        """All files, their inodes and times: what a second run must not change."""
        return {str(f): (f.lstat().st_ino, f.lstat().st_mtime_ns) for root in (self.geodata, self.new) for f in root.rglob("*") if f.name != "current"}

    def test_all_is_accounted_for_and_a_second_run_changes_nothing(self):
        self.assertIn("cligen-county-db: 10 files", self.done("inventory"))
        self.refused("rewrite", "MANIFEST")  # before its data is safe
        self.done("extract")
        said = self.done("rewrite")
        self.done("verify")
        after, before = (float(word) for word in said.split() if word.replace(".", "").isdigit())
        self.assertLess(after, before / 10)
        self.assertEqual(self.git(self.new, "rev-list", "--all", "--count"), self.git(self.repository, "rev-list", "--all", "--count"))
        self.assertEqual((self.geodata / "ssurgo/current/latest").read_bytes(), (self.repository / SSURGO / "soil0.db").read_bytes())
        self.assertTrue(os.access(self.geodata / "ssurgo/1/run.sh", os.X_OK))
        restored = self.folder / "restored"
        self.git(self.folder, "clone", "-q", f"{self.new}.bundle", str(restored))
        self.assertEqual(self.git(restored, "rev-parse", "origin/side", "v1"), self.git(self.repository, "rev-parse", "side", "v1"))
        first = self.state()
        self.done("extract")
        self.done("rewrite")
        self.assertEqual(self.state(), first)

    def test_code_finds_its_data_through_links(self):
        self.done("extract")
        self.done("rewrite")
        tree = self.folder / "tree"
        self.git(self.folder, "clone", "-q", str(self.new), str(tree))
        self.assertFalse((tree / COUNTIES / "states").exists())
        link = [f"--geodata={self.geodata}", "--version=1", f"--at={tree}"]
        self.done("link", *link)
        self.done("link", *link)
        code = "from wepppy.climates.cligen.county_db import NAMES; import os; print(NAMES, len(open('wepppy/soils/ssurgo/data/soil1.db','rb').read()))"
        said = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True).stdout
        self.assertIn("'states'", said)
        self.assertIn(str(MB * 1_000_000 // 20), said)
        compose = self.done("link", *link[:2], "--at=/workdir/wepppy", "--how=compose")
        self.assertIn(f"{self.geodata}/ssurgo/1:/workdir/wepppy/{SSURGO}:ro", compose)
        self.assertIn(f"{self.geodata}/cligen-county-db/1/states:/workdir/wepppy/{COUNTIES}/states:ro", compose)
        kubernetes = self.done("link", *link[:2], "--at=/workdir/wepppy", "--how=kubernetes")
        self.assertIn(f"mountPath: /workdir/wepppy/{SSURGO}, subPath: ssurgo/1, readOnly: true", kubernetes)

    def test_an_interrupted_run_goes_on(self):
        process = subprocess.Popen(self.arguments("extract"))
        growing = self.geodata / "cligen-county-db/1.new/states"
        while process.poll() is None and not (growing.is_dir() and len(list(growing.glob("*.par"))) >= 2):
            pass
        process.kill()
        process.wait()
        kept = {f.name: f.stat().st_ino for f in growing.glob("*.par")} if growing.is_dir() else {}
        self.done("extract")
        final = self.geodata / "cligen-county-db/1/states"
        self.assertTrue(all((final / name).stat().st_ino == inode for name, inode in kept.items()))
        process = subprocess.Popen(self.arguments("rewrite"), stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(self.folder.glob("new.git.new.*/new")):
            pass
        process.kill()
        process.wait()
        self.done("rewrite")
        self.done("verify")

    def test_nothing_is_lost_to_faults(self):
        self.done("extract")
        file = self.geodata / "ssurgo/1/soil1.db"
        good = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        self.refused("rewrite", "soil1.db is not as its manifest says")
        file.write_bytes(good)
        (self.geodata / "ssurgo/1/more").write_text("x")
        self.refused("rewrite", "not both in the folder and in its manifest")
        (self.geodata / "ssurgo/1/more").unlink()
        manifest = self.geodata / "ssurgo/1/MANIFEST"
        told = manifest.read_text()
        manifest.write_text(told.replace(json.dumps("soil1.db"), json.dumps("soil9.db")))
        self.refused("rewrite", "is not as it was written")
        manifest.write_text(told)
        self.write(f"{SSURGO}/new.db", "later than the extract")
        self.commit("late")
        self.refused("rewrite", "has other files than the repository")
        self.assertFalse(self.new.exists())
        self.git(self.repository, "reset", "-q", "--hard", "HEAD~1")
        self.done("rewrite")
        self.write("wepppy/late.py", "")
        self.commit("late code")
        self.refused("verify", "is not the same apart from data")

    def test_data_does_not_come_back(self):
        self.refused("guard", "belong to /geodata")
        self.done("extract")
        self.done("rewrite")
        guard = [sys.executable, str(HERE / "clean_up.py"), "guard", str(self.new)]
        self.assertEqual(subprocess.run(guard).returncode, 0)


if __name__ == "__main__":
    unittest.main()
