#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures of traces of the references, for docs/pictures/.

    screenshots.py FOLDER
"""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(HERE)), 'experiments', 'tests'))

import browser  # noqa: E402
import main  # noqa: E402

# Name, words of ./lab trace, step, width, dark, height at most.
PICTURES = (('trace-desk', ['2', 'L7'], 19, 1280, False, 900), ('trace-phone-dark', ['2', 'L7'], 19, 390, True, 900),
            ('trace-tree', ['2', 'W1', 'stream_survives_commits_aborts_and_reopening', '--events', '800'], 740, 1280, False, 1300))


def take(folder):
    with tempfile.TemporaryDirectory() as scratch, browser.Browser() as b:
        for name, words, step, width_px, dark, height_px in PICTURES:
            page = os.path.join(scratch, f'trace-{words[1]}.html')
            if not os.path.exists(page) and main.main(['trace', *words, '--reference', '--out', scratch]) != main.OK:
                return 3
            b.open('/dev/null', width_px)  # a step alone would load nothing
            b.open(f'{page}#step={step}', width_px, dark)
            to = os.path.join(folder, f'{name}.png')
            b.picture(to, None, height_px)
            print(f'{to}: {os.path.getsize(to)} bytes')
    return 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if browser.program() is None:
        sys.exit(browser.NEEDED)
    sys.exit(take(sys.argv[1]))
