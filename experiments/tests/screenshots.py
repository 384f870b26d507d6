#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures of a report, for docs/pictures/: on a phone and on a desk, light and dark.

    screenshots.py SESSION.jsonl FOLDER
"""
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

import browser  # noqa: E402
from lib import page  # noqa: E402

# Name, width, dark, what of the page, height at most.
PICTURES = (('report-phone', 390, False, None, 1500), ('report-phone-dark', 390, True, '#wins', 1500),
            ('report-desk', 1280, False, None, 1480), ('report-desk-dark', 1280, True, '#E2', 1400))
BYTES_MAX = 300 * 1000


def main(words):
    if len(words) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if browser.program() is None:
        print(browser.NEEDED, file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder, browser.Browser() as b:
        path = page.write_of_file(words[0], os.path.join(folder, 'report.html'))
        for name, width_px, dark, selector, height_px in PICTURES:
            b.open(path, width_px, dark)
            if selector and not b.run(f'!!document.querySelector("{selector}")'):
                selector = None
            to = os.path.join(words[1], f'{name}.png')
            b.picture(to, selector, height_px)
            size = os.path.getsize(to)
            print(f'{to}: {size} bytes{", which is more than it should be" if size > BYTES_MAX else ""}')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
