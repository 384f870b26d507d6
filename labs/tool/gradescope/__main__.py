# SPDX-License-Identifier: MIT
"""What run_autograder calls: python3 labs/tool/gradescope LAB SUBMISSION RESULTS SEED_FILE; or, to look at a file
that is there: python3 labs/tool/gradescope --check RESULTS."""
import json
import os
import sys
import tarfile
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

import build  # noqa: E402
import grade  # noqa: E402
import gradescope  # noqa: E402
from common import GraderError, Lab, LabError, read, say, warn  # noqa: E402


def unpacked(lab, folder, scratch):
    """The folder with the student's files: as they are, or out of what `./lab submit` made."""
    tar = os.path.join(folder, f'lab{lab.number}.tar')
    if any(os.path.lexists(os.path.join(folder, name)) for name in lab.files) or not os.path.isfile(tar):
        return folder
    try:
        with tarfile.open(tar, 'r:') as t:
            for name in lab.files:
                member = next((m for m in t if m.name == name and m.isreg() and m.size <= grade.FILE_BYTES_MAX), None)
                if member:
                    with open(os.path.join(scratch, name), 'wb') as f:
                        f.write(t.extractfile(member).read())
    except (tarfile.TarError, OSError, EOFError):
        return folder  # which has no such file: the grader says so
    return scratch


def taken(seed_file):
    """The private seed. Its file is gone then, before anything of a student's runs: a program can read what its user can."""
    try:
        seed = int(read(seed_file))
        os.remove(seed_file)
    except (OSError, ValueError) as e:
        raise GraderError(f'{seed_file}: expected the private seed, a number, in a file that can be removed; found: {getattr(e, "strerror", None) or e}. '
                          'A grading takes the file away, so that no test can read it: begin each one in a new copy of the autograder') from None
    return seed


def graded(number, submission, path, seed_file):
    began = time.monotonic()
    lab, seed = Lab(number), taken(seed_file)
    with build.Builder() as builder, tempfile.TemporaryDirectory() as scratch:
        results = grade.grade_folder(lab, builder, unpacked(lab, submission, scratch), private_seed=seed)
    made = gradescope.results(lab, grade.sheet(lab, results, 1), time.monotonic() - began)
    gradescope.write_checked(path, made)
    say(f'{made["score"]} of {gradescope.max_points(lab)} points in {time.monotonic() - began:.0f} s')
    errors = [r for r in results if r['state'] == grade.ERROR]
    for r in errors:
        say(f'GRADER ERROR {r["id"]}: {r["message"]}')
    return 0


def main(argv):
    if len(argv) == 2 and argv[0] == '--check':
        try:
            found = gradescope.faults(json.loads(read(argv[1])))
        except json.JSONDecodeError as e:
            found = [f'it is not JSON: {e}']
        say('\n'.join(found) or 'as documented')
        return 1 if found else 0
    if len(argv) != 4:
        warn(__doc__)
        return 2
    try:
        return graded(*argv)
    except (GraderError, LabError) as e:
        warn(f'GRADER ERROR: {e}')
        return 3


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
