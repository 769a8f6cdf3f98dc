#!/usr/bin/env python3
"""Runs the notebooks in the real Rust kernel, top to bottom, and compares what they print with what they should.

    ./learn --check [NOTEBOOK ...]                     (sets everything up first)
    python notebooks/run_kernel.py [NOTEBOOK ...]      (default: all, in both languages; needs jupyter-client, the kernel)

A notebook fails if a cell ends in an error, writes to stderr, panics, or gives another output than the .ipynb holds:
text and pictures, the numbers after a ⏱ excepted. The files are only read. --solutions runs the folded solutions, too,
as a learner would who pastes one into a cell. --warm only starts the kernel in both folders, which compiles the library.
"""
import argparse
import json
import os
import queue
import re
import subprocess
import sys
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

HERE = Path(__file__).resolve().parent
START_LIMIT = 1800  # seconds; the first start compiles the library

# What breaks if each cell has its own copy of the library: a counter of the library, its pool of threads, a tape that goes
# on in the next cell, and types that are named in two ways. A cell, and what it prints; {n} is the same number in all.
SHARED = [
    ("use motamot::kernels::parallel;\nuse motamot::tensor::{ParamId, Tensor, ops};", ""),
    *(
        (
            'parallel::for_each_chunk(64, |_| ());\n'
            'println!("{:?}, {} threads", ParamId::new(), std::fs::read_dir("/proc/self/task").map_or(0, |d| d.count()));',
            f"ParamId({i}), {{n}} threads\n",
        )
        for i in range(3)
    ),
    ("let x = Tensor::new(&[3.0, 4.0], [2]);\nlet id = ParamId::new();", ""),
    ("let w = Tensor::parameter(id, std::sync::Arc::new(motamot::tensor::Buf::from(&[1.0, 2.0][..])), [2]);", ""),
    ("let loss = ops::sum(&ops::mul(&x, &w));", ""),
    ('let mut gradients = motamot::tensor::Gradients::new();\nprintln!("{}", loss.item());', "11\n"),
    ("loss.backward(&mut gradients);", ""),
    ('println!("{:?}", gradients.get(id));', "Some([3.0, 4.0])\n"),
]


def execute(client, code, limit):
    """The outputs of a cell: (text on stdout, text on stderr, rich content by type, error)."""
    request = client.execute(code, store_history=False)
    text, errors, rich, error, idle = [], [], {}, None, False
    deadline = time.monotonic() + limit
    while True:
        try:  # after "idle" a last line may still be under way
            message = client.get_iopub_msg(timeout=0.05 if idle else 1)
        except queue.Empty:
            if idle:
                break
            if not client.is_alive():
                return "".join(text), "".join(errors), rich, "the kernel died"
            if time.monotonic() > deadline:
                return "".join(text), "".join(errors), rich, f"no end after {limit} s"
            continue
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            (text if content["name"] == "stdout" else errors).append(content["text"])
        elif kind in ("execute_result", "display_data"):
            rich.update(content["data"])
        elif kind == "error":
            error = (error or "") + "\n".join(content["traceback"])
        elif kind == "status" and content["execution_state"] == "idle":
            idle = True
    reply = client.get_shell_msg(timeout=limit)
    if reply["content"]["status"] != "ok" and error is None:
        error = "the kernel reports an error"
    return "".join(text), "".join(errors), rich, error


def recorded(cell):
    """What the .ipynb holds for a cell: (text on stdout, rich content by type)."""
    text, rich = "", {}
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            text += "".join(output["text"])
        else:
            rich |= {kind: "".join(content) for kind, content in output["data"].items()}
    return text, rich


def lines(text):
    """The lines to compare: times (numbers after a ⏱) count for nothing."""
    cut = [line.partition("⏱") for line in text.rstrip("\n").split("\n")]
    return [before + mark + re.sub(r"\d[\d.,]*", "#", after) for before, mark, after in cut]


def differences(what, expected, found):
    """At most one message: the first line that differs."""
    expected, found = lines(expected), lines(found)
    for i, (a, b) in enumerate(zip(expected, found)):
        if a != b:
            at = next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            part = slice(max(0, at - 60), at + 100)
            return [f"{what}, line {i + 1}:\n  recorded: {a[part]}\n  kernel:   {b[part]}"]
    if len(expected) != len(found):
        odd = (expected + found[len(expected):])[min(len(expected), len(found))]
        return [f"{what}: {len(expected)} lines recorded, {len(found)} from the kernel; the first one over: {odd[:160]}"]
    return []


def problems(cell, outputs):
    """Why a cell that ran is not as recorded."""
    text, errors, rich, error = outputs
    if error is not None:
        return [re.sub(r"\x1b\[[0-9;]*m", "", error)] + ([errors] if errors else [])
    found = [f"text on stderr:\n{errors}"] if errors else []
    if "panicked at" in text:
        found.append("a panic")
    text_then, rich_then = recorded(cell)
    found += differences("text", text_then, text)
    for kind in sorted(rich.keys() | rich_then.keys()):
        if kind not in rich or kind not in rich_then:
            found.append(f"{kind}: only {'from the kernel' if kind in rich else 'recorded'}")
        else:
            found += differences(kind, rich_then[kind], rich[kind])
    return found


def solution(cell):
    """The code of a folded solution, as a cell."""
    code = re.search(r"^```rust\n(.*?)^```$", "".join(cell["source"]), re.S | re.M)
    return {"source": code[1] if code else "", "outputs": [], "cell_type": "code"}


def start(folder):
    try:
        manager, client = start_new_kernel(
            startup_timeout=START_LIMIT, kernel_name="rust", cwd=str(folder), stdout=subprocess.DEVNULL
        )
    except RuntimeError as why:  # what the kernel wrote stands above
        sys.exit(f"error: no kernel in {folder}: {why}")
    client.allow_stdin = False
    return manager, client


def check_sharing(args):
    """Whether the cells share one library; the number of problems."""
    manager, client = start(HERE)
    bad, threads = 0, None
    try:
        for code, expected in SHARED:
            text, errors, _, error = execute(client, code, args.limit)
            threads = threads or re.search(r"\d+(?= threads)", text)
            if threads:
                expected = expected.replace("{n}", threads[0])
            if error or errors or text != expected:
                bad += 1
                print(f"✗ shared library:\n{code}\n  expected: {expected}\n  found:    {text}{errors}{error or ''}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    print(f"{'✗' if bad else '✓'} one library for all cells ({threads[0] if threads else '?'} threads)", flush=True)
    return bad


def run(path, args):
    """Runs one notebook; the number of cells with problems."""
    cells, name = json.loads(path.read_text("utf-8"))["cells"], os.path.relpath(path, HERE)
    clock = time.monotonic()
    manager, client = start(path.parent)
    started, bad, ran, slow = time.monotonic(), 0, 0, (0.0, "")
    try:
        for cell in cells:
            # One in prose; one that is code is a cell as any other.
            is_solution = cell["cell_type"] != "code" and "solution" in cell["metadata"].get("tags", [])
            if cell["cell_type"] != "code" and not (is_solution and args.solutions):
                continue
            code = solution(cell) if is_solution else cell
            begun = time.monotonic()
            outputs = execute(client, "".join(code["source"]), args.limit)
            slow = max(slow, (time.monotonic() - begun, cell["id"]))
            ran += 1
            why = problems(code, outputs)
            if is_solution and not outputs[3] and not outputs[1]:
                why = []  # what it prints is part of the folded text
            if why:
                bad += 1
                print(f"✗ {name} {cell['id']}:", *why, sep="\n", flush=True)
                if not client.is_alive() or (bad >= args.errors):
                    print("… the rest was not run", flush=True)
                    break
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    print(
        f"{'✗' if bad else '✓'} {name}: {ran} cells in {time.monotonic() - started:.1f} s,"
        f" kernel started in {started - clock:.1f} s, slowest {slow[1]} with {slow[0]:.1f} s",
        flush=True,
    )
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--solutions", action="store_true", help="run the folded solutions, too")
    parser.add_argument("--warm", action="store_true", help="only start the kernel once")
    parser.add_argument("--limit", type=float, default=600, help="seconds for one cell (default: %(default)s)")
    parser.add_argument("--errors", type=int, default=5, help="stop a notebook after so many (default: %(default)s)")
    args = parser.parse_args()
    if args.warm:
        manager, client = start(HERE)
        text, errors, _, error = execute(client, 'println!("{}", motamot::tr("prêt", "ready"));', args.limit)
        client.stop_channels()
        manager.shutdown_kernel()
        if text.strip() not in ("prêt", "ready") or errors or error:
            sys.exit(f"error: the kernel does not work\n{errors}{error or text}")
        return
    paths = [path.resolve() for path in args.notebooks] or sorted(HERE.glob("*.ipynb")) + sorted(HERE.glob("en/*.ipynb"))
    if len(paths) > 1 and check_sharing(args):
        sys.exit(1)
    failed = [path for path in paths if run(path, args)]
    print(f"{len(paths)} notebooks, {len(failed)} with problems")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
