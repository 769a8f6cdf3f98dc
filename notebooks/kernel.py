#!/usr/bin/env python3
"""Starts the Rust kernel for Jupyter: kernel.py FOLDER EVCXR_JUPYTER --control_file FILE (see ./learn).

The kernel compiles the library each time it starts, a minute or more, unless it finds its last build folder. So it gets
one under FOLDER that is kept: FOLDER/0, or the next one that no other kernel uses. A new one starts as a copy of FOLDER/0.
"""
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path


def build_folder(root: Path) -> Path:
    """The first folder whose lock is free. The lock is held until the kernel, which inherits it, ends."""
    root.mkdir(parents=True, exist_ok=True)
    for number in range(100):
        lock = os.open(root / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        os.set_inheritable(lock, True)
        folder = root / str(number)
        if number and not folder.exists() and (root / "0" / "target").is_dir():
            copy(root / "0", folder)
        for cell in folder.glob("target/*/debug/libcode_*"):  # the cells of last time
            cell.unlink(missing_ok=True)
        return folder
    sys.exit(f"{root}: 100 kernels run already")


def copy(source: Path, folder: Path) -> None:
    """A copy that appears only when it is complete. Times are kept: cargo rebuilds what is newer than its build."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(source, part, symlinks=True, ignore=shutil.ignore_patterns("incremental", "libcode_*"))
        part.rename(folder)
    except (OSError, shutil.Error):  # the other kernel is just compiling a cell: build afresh
        shutil.rmtree(part, ignore_errors=True)


def main() -> None:
    root, kernel = Path(sys.argv[1]), sys.argv[2]
    os.environ["EVCXR_TMPDIR"] = str(build_folder(root))
    # A cell is moved one folder up after it is linked, and its relative path to Rust's own library is then wrong; that
    # goes unnoticed only where both have nothing but the root of the disk in common.
    libraries = subprocess.run(["rustc", "--print", "target-libdir"], capture_output=True, text=True, check=True).stdout
    variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    os.environ[variable] = os.pathsep.join(filter(None, [libraries.strip(), os.environ.get(variable)]))
    here = Path.cwd()
    if here.parent.name == "notebooks" and here.name == "en":
        os.environ["MOTAMOT_LANG"] = "en"
    elif here.name == "notebooks":
        os.environ["MOTAMOT_LANG"] = "fr"
    os.execv(kernel, [kernel, *sys.argv[3:]])


if __name__ == "__main__":
    main()
