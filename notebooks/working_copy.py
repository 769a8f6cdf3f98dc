#!/usr/bin/env python3
"""The learner's own notebooks: working_copy.py FOLDER LANG [--reset NAME ...] (see ./learn).

Makes FOLDER/notebooks/NAME.ipynb (FOLDER/notebooks/en/ for English) of each recorded notebook, without its outputs: the answer
to a prediction does not stand under it, and what Jupyter saves is not the repository's. A copy that is there is kept. If the
notebook was recorded anew since, a copy that nobody has changed follows; of one that was changed it is told. --reset makes
copies anew; the old ones go to FOLDER/before-reset/.
"""
import hashlib
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAID = {
    "fr": {
        "newer": "Le carnet {name} a changé depuis ta copie. La tienne s'ouvre ; pour la nouvelle : ./learn --reset {id}",
        "reset": "Le carnet {name} est comme neuf ; l'ancien est dans {old}",
        "new": "Le carnet {name} est comme neuf",
    },
    "en": {
        "newer": "Notebook {name} has changed since your copy was made. Yours opens; for the new one: ./learn --reset {id}",
        "reset": "Notebook {name} is as new; the old one is in {old}",
        "new": "Notebook {name} is as new",
    },
}


def without_outputs(text: str) -> str:
    """A notebook before anyone has run it."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(path)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sources(text: str) -> str:
    """What a learner can change in a notebook; running and saving it changes the rest."""
    return json.dumps([(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]])


def main() -> None:
    root, lang, reset = Path(sys.argv[1]), sys.argv[2], sys.argv[4:]
    part = Path("notebooks") / ("" if lang == "fr" else lang)
    here, there = HERE / part.relative_to("notebooks"), root / part
    made_of = root / f"made-of-{lang}.json"  # of each copy: what it was made of
    known = json.loads(made_of.read_text("utf-8")) if made_of.exists() else {}
    said = SAID.get(lang, SAID["en"])
    for recorded in sorted(here.glob("*.ipynb")):
        name, copy = recorded.stem, there / recorded.name
        id, fresh = name.split("_")[0], without_outputs(recorded.read_text("utf-8"))
        now = digest(sources(fresh))
        if name in reset:
            said_as, old = "new", root / "before-reset" / part.relative_to("notebooks") / copy.name
            if copy.exists():
                said_as = "reset"
                old.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(copy, old)
            print(said[said_as].format(name=id, old=old))
        elif copy.exists():
            if known.get(name) == now:
                continue
            if digest(sources(copy.read_text("utf-8"))) != known.get(name):
                print(said["newer"].format(name=id, id=id))
                continue
        write(copy, fresh)
        known[name] = now
    # The kernel's settings, as beside the recorded ones; the library is where it was.
    settings = (here / "evcxr.toml").read_text("utf-8")
    library = json.dumps(str(HERE / "nbkit"), ensure_ascii=False)
    for path in ('"nbkit"', '"../nbkit"'):
        settings = settings.replace(f"path = {path}", f"path = {library}")
    write(there / "evcxr.toml", settings)
    write(made_of, json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
