#!/usr/bin/env python3
"""Moves data out of a repository's history into folders of /geodata, and loses none of it. See docs/data-migration.md.

Each step may be repeated: what is done is checked and left alone, what was cut off begins anew or goes on. The repository itself is only read.
"""
import argparse
import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MANIFEST = "MANIFEST"


class Refused(Exception):
    """What stands against a step; nothing was lost, and nothing is half done under its final name."""


def git(repository, *arguments, text=True):
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=text, errors="surrogateescape" if text else None)
    if done.returncode != 0:
        said = done.stderr if text else done.stderr.decode(errors="replace")
        raise Refused(f"git {arguments[0]} in {repository}: {said.strip()}")
    return done.stdout


class Rules:
    def __init__(self, file):
        self.folders, self.stays = {}, []
        for line in Path(file).read_text().splitlines():
            words = line.split("#")[0].split()
            if not words:
                continue
            if len(words) != 2:
                raise Refused(f"{file}: not a name and a folder: {line}")
            if words[0] == "stays":
                self.stays.append(words[1])
            else:
                self.folders[words[0]] = words[1].strip("/")

    def dataset(self, path):
        """The data set that a path of the repository belongs to, or None."""
        if any(fnmatch.fnmatchcase(os.path.basename(path), pattern) for pattern in self.stays):
            return None
        return next((name for name, folder in self.folders.items() if path.startswith(folder + "/")), None)

    def lines_of_filter_repo(self):
        stays = "|".join(fnmatch.translate(pattern) for pattern in self.stays) or "(?!)"
        return "".join(f"regex:^{re.escape(folder)}/(?!(?:.*/)?(?:{stays})).*\n" for folder in self.folders.values())


class Entry:
    """A file of a tree: its mode, object and path."""

    def __init__(self, mode, blob, path):
        self.mode, self.blob, self.path = mode, blob, path


def tree(repository, ref):
    for line in git(repository, "ls-tree", "-rz", ref).split("\0"):
        if line:
            about, path = line.split("\t", 1)
            mode, _, blob = about.split()
            yield Entry(mode, blob, path)


def blobs(repository):
    """All blobs of the history: object to one of its paths."""
    listed = subprocess.run(["git", "-C", str(repository), "rev-list", "--objects", "--all"], capture_output=True, check=True).stdout
    kinds = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)"], input=listed, capture_output=True, check=True
    ).stdout
    found = {}
    for line in kinds.decode(errors="surrogateescape").splitlines():
        kind, blob, size, *path = line.split(" ", 3)
        if kind == "blob":
            found[blob] = (path[0] if path else "", int(size))
    return found


class Blobs:
    """Reads blobs one after the other."""

    def __init__(self, repository):
        self.process = subprocess.Popen(["git", "-C", str(repository), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def chunks(self, blob):
        self.process.stdin.write(blob.encode() + b"\n")
        self.process.stdin.flush()
        head = self.process.stdout.readline().split()
        if len(head) != 3:
            raise Refused(f"blob {blob} is not in the repository: fetch it first")
        left = int(head[2])
        while left:
            chunk = self.process.stdout.read(min(left, 1 << 20))
            if not chunk:
                raise Refused(f"blob {blob} ends too early")
            left -= len(chunk)
            yield chunk
        self.process.stdout.read(1)


def sha256(chunks):
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def content(file):
    if file.is_symlink():
        yield os.readlink(file).encode(errors="surrogateescape")
        return
    with open(file, "rb") as stream:
        while chunk := stream.read(1 << 20):
            yield chunk


def data_of(repository, rules, ref):
    """Of each data set the entries at a ref."""
    sets = {name: [] for name in rules.folders}
    for entry in tree(repository, ref):
        name = rules.dataset(entry.path)
        if name and entry.mode == "160000":
            raise Refused(f"{entry.path} is a submodule: move it by hand")
        if name:
            sets[name].append(entry)
    return sets


def inventory(options):
    rules = Rules(options.rules)
    now = data_of(options.repository, rules, options.ref)
    history = {}
    for path, size in blobs(options.repository).values():
        history.setdefault(rules.dataset(path), []).append(size)
    for name in [*rules.folders, None]:
        sizes = history.get(name, [])
        print(f"{name or 'all else'}: {len(now.get(name, []))} files at {options.ref}; {len(sizes)} blobs, {sum(sizes) / 1e6:.1f} MB in the history")


def manifest_line(digest, size, entry, path):
    return f"{digest}  {size}  {entry.mode}  {json.dumps(path)}\n"


def read_manifest(folder):
    """Of each path: checksum, size and mode."""
    if not (folder / MANIFEST).is_file():
        raise Refused(f"there is no {folder / MANIFEST}: extract first")
    text = (folder / MANIFEST).read_text()
    body, _, last = text.rstrip("\n").rpartition("\n")
    if last != "# sha256 " + hashlib.sha256((body + "\n").encode()).hexdigest():
        raise Refused(f"{folder / MANIFEST} is not as it was written")
    lines = (line.split("  ", 3) for line in body.splitlines() if not line.startswith("#"))
    return {json.loads(path): (digest, int(size), mode) for digest, size, mode, path in lines}


def check(folder):
    """That a data set's files are those of its manifest, all of them and no others."""
    told = read_manifest(folder)
    there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()} - {MANIFEST}
    if there != set(told):
        raise Refused(f"{folder}: {sorted(there ^ set(told))[:3]} are not both in the folder and in its manifest")
    for path, (digest, size, _) in told.items():
        if sha256(content(folder / path)) != (digest, size):
            raise Refused(f"{folder / path} is not as its manifest says")
    return told


def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(reader, entry, file):
    """A file of that blob, whole or not at all; its checksum and size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if entry.mode == "120000":
        target = b"".join(reader.chunks(entry.blob))
        if not file.is_symlink():
            os.symlink(target.decode(errors="surrogateescape"), file)
        return sha256([target])
    part = file.with_name(file.name + ".part")
    digest, size = hashlib.sha256(), 0
    with open(part, "wb") as stream:
        for chunk in reader.chunks(entry.blob):
            if not size and chunk.startswith(b"version https://git-lfs"):
                raise Refused(f"{entry.path} is a pointer to LFS: fetch the data first")
            digest.update(chunk)
            size += len(chunk)
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    part.chmod(0o555 if entry.mode == "100755" else 0o444)
    part.rename(file)
    return digest.hexdigest(), size


def is_blob(file, entry):
    """Whether the file, perhaps of a run before, is that blob: git's own checksum."""
    if file.is_symlink() or not file.is_file():
        return False
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size)
    for chunk in content(file):
        digest.update(chunk)
    return digest.hexdigest() == entry.blob


def extract(options):
    rules = Rules(options.rules)
    for name, entries in data_of(options.repository, rules, options.ref).items():
        if not entries:
            print(f"{name}: nothing at {options.ref}")
            continue
        home = Path(options.geodata) / name
        final, growing = home / options.version, home / (options.version + ".new")
        if not final.exists():
            growing.mkdir(parents=True, exist_ok=True)
            lines = []
            with Blobs(options.repository) as reader:
                for entry in sorted(entries, key=lambda e: e.path):
                    path = entry.path[len(rules.folders[name]) + 1:]
                    file = growing / path
                    if path == MANIFEST:
                        raise Refused(f"{entry.path} has the manifest's name")
                    told = sha256(content(file)) if is_blob(file, entry) else write(reader, entry, file)
                    lines.append(manifest_line(*told, entry, path))
            for part in growing.rglob("*.part"):
                part.unlink()
            body = f"# {name} {options.version}: {len(lines)} files of {rules.folders[name]}\n" + "".join(lines)
            (growing / MANIFEST).write_text(body + "# sha256 " + hashlib.sha256(body.encode()).hexdigest() + "\n")
            sync(growing / MANIFEST)
            check(growing)
            growing.rename(final)
            sync(home)
        accounted(options.repository, rules, name, entries, final)
        current, link = home / "current", home / "current.new"
        if not current.is_symlink() or os.readlink(current) != options.version:
            link.unlink(missing_ok=True)
            link.symlink_to(options.version)
            link.rename(current)
        print(f"{name}: {len(entries)} files in {final}")


def accounted(repository, rules, name, entries, folder):
    """That each entry is in the data set with the same content."""
    told = check(folder)
    paths = {entry.path[len(rules.folders[name]) + 1:]: entry for entry in entries}
    if set(paths) != set(told):
        raise Refused(f"{folder} has other files than the repository: {sorted(set(paths) ^ set(told))[:3]}; take another version")
    with Blobs(repository) as reader:
        for path, entry in paths.items():
            if sha256(reader.chunks(entry.blob)) != told[path][:2] or entry.mode != told[path][2]:
                raise Refused(f"{folder / path} is not what the repository has; take another version")


def refs(repository):
    lines = git(repository, "for-each-ref", "--format=%(refname) %(objecttype)", "refs/heads", "refs/tags").splitlines()
    return [line.split()[0] for line in lines]


def head_data(options, rules):
    for name, entries in data_of(options.repository, rules, options.ref).items():
        if entries:
            accounted(options.repository, rules, name, entries, Path(options.geodata) / name / options.version)


def rewrite(options):
    """A new bare repository without the data, beside a bundle of the old one."""
    rules, final = Rules(options.rules), Path(options.to)
    bundle = final.with_name(final.name + ".bundle")
    head_data(options, rules)
    if not final.exists():
        for cut_off in final.parent.glob(final.name + ".new.*"):
            shutil.rmtree(cut_off, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=final.name + ".new.", dir=final.parent)).absolute()  # its own: git may outlive a run that was killed
        new, backup = work / "new", work / "bundle"
        git(options.repository, "bundle", "create", "-q", str(backup), "--all")
        git(options.repository, "clone", "-q", "--mirror", "--no-local", ".", str(new))
        (work / "paths").write_text(rules.lines_of_filter_repo())
        git(
            new, "filter-repo", "--quiet", "--force", "--invert-paths", "--paths-from-file", str(work / "paths"),
            "--prune-empty", "never", "--prune-degenerate", "never",
        )
        compare(options.repository, new, backup, rules)
        sync(backup)
        backup.rename(bundle)
        new.rename(final)
        shutil.rmtree(work)
    compare(options.repository, final, bundle, rules)
    before, after = (sum(f.stat().st_size for f in (Path(git(r, "rev-parse", "--absolute-git-dir").strip()) / "objects").rglob("*") if f.is_file()) for r in (options.repository, final))
    print(f"{final}: {after / 1e6:.1f} MB instead of {before / 1e6:.1f} MB; the old history is in {bundle}")


def compare(old, new, bundle, rules):
    """That the new history is the old one without data, and that the bundle has all of the old one."""
    if refs(old) != refs(new):
        raise Refused(f"{new} has other branches or tags than {old}: fetch, or begin anew")
    for ref in refs(old):
        kept = {(e.mode, e.blob, e.path) for e in tree(old, ref) if not rules.dataset(e.path)}
        if kept != {(e.mode, e.blob, e.path) for e in tree(new, ref)}:
            raise Refused(f"{ref} is not the same apart from data")
    form = "--format=%an%x00%ae%x00%at%x00%cn%x00%ct"
    if sorted(git(old, "log", "--all", form).splitlines()) != sorted(git(new, "log", "--all", form).splitlines()):
        raise Refused("commits, authors or dates are not the same")
    gone, there = blobs(old), blobs(new)
    lost = [path for blob, (path, _) in gone.items() if blob not in there and not rules.dataset(path)]
    if lost:
        raise Refused(f"files that are no data were lost: {lost[:3]}")
    left = [path for path, _ in there.values() if rules.dataset(path)]
    if left:
        raise Refused(f"data is left: {left[:3]}")
    git(new, "fsck", "--full", "--no-dangling")
    git(old, "bundle", "verify", "-q", str(bundle.absolute()))
    heads = {line.split()[0] for line in git(old, "bundle", "list-heads", str(bundle.absolute())).splitlines()}
    missing = [ref for ref in refs(old) if git(old, "rev-parse", ref).strip() not in heads]
    if missing:
        raise Refused(f"{bundle} lacks {missing[:3]}: begin anew")


def verify(options):
    rules, final = Rules(options.rules), Path(options.to)
    head_data(options, rules)
    compare(options.repository, final, final.with_name(final.name + ".bundle"), rules)
    print(f"{final} and {options.geodata} have all of {options.repository}")


def mounts(options, rules):
    """What to put where the code looks: a path of the repository to one below /geodata. Folders that have code, too, get theirs entry by entry."""
    kept = [entry.path for entry in tree(options.repository, options.ref) if not rules.dataset(entry.path)]
    for name, folder in rules.folders.items():
        home = Path(options.geodata) / name / options.version
        if not home.is_dir():
            continue

        def below(inside, place):
            if not any(path.startswith(place + "/") for path in kept):
                yield place, inside
                return
            for child in sorted(inside.iterdir()):
                if child.is_dir() and not child.is_symlink():
                    yield from below(child, f"{place}/{child.name}")
                elif child.name != MANIFEST:
                    yield f"{place}/{child.name}", child

        yield from below(home, folder)


def link(options):
    found = [(place, inside.relative_to(options.geodata)) for place, inside in mounts(options, Rules(options.rules))]
    if options.how == "compose":
        print("services:\n  SERVICE:\n    volumes:")
        for place, inside in found:
            print(f"      - {options.geodata}/{inside}:{options.at}/{place}:ro")
    elif options.how == "kubernetes":
        for place, inside in found:
            value = f"{{name: geodata, mountPath: {options.at}/{place}, subPath: {inside}, readOnly: true}}"
            print(f"- {{op: add, path: /spec/template/spec/containers/0/volumeMounts/-, value: {value}}}")
    else:
        for place, inside in found:
            file, target = Path(options.at) / place, Path(options.geodata).absolute() / inside
            if file.is_symlink() and os.readlink(file) == str(target):
                continue
            if file.exists() or file.is_symlink():
                raise Refused(f"{file} is there already; it is left alone")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.symlink_to(target)


def guard(options):
    """For CI: no data, and no big file, comes back."""
    rules = Rules(options.rules)
    wrong = [entry.path for entry in tree(options.repository, options.ref) if rules.dataset(entry.path)]
    sizes = git(options.repository, "ls-tree", "-rlz", options.ref).split("\0")
    wrong += [line.split("\t", 1)[1] for line in sizes if line and line.split()[3].isdigit() and int(line.split()[3]) > options.limit * 1_000_000]
    if wrong:
        raise Refused(f"these belong to /geodata and not into the repository: {sorted(set(wrong))[:10]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for step, needs in (
        (inventory, ()), (extract, ("geodata", "version")), (rewrite, ("geodata", "version", "to")), (verify, ("geodata", "version", "to")),
        (link, ("geodata", "version", "at")), (guard, ()),
    ):
        command = commands.add_parser(step.__name__)
        command.set_defaults(step=step)
        command.add_argument("repository")
        command.add_argument("--rules", default=str(Path(__file__).with_name("rules.txt")))
        command.add_argument("--ref", default="HEAD")
        for need in needs:
            command.add_argument("--" + need, required=True)
        if step is link:
            command.add_argument("--how", choices=["symlink", "compose", "kubernetes"], default="symlink")
        if step is guard:
            command.add_argument("--limit", type=float, default=10, help="in MB")
    options = parser.parse_args()
    try:
        options.step(options)
    except Refused as reason:
        sys.exit(f"{options.command}: {reason}")


if __name__ == "__main__":
    main()
