#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures of a report, for docs/pictures/: on a phone and on a desk, light and dark. Each says in itself of which session it is, and a
test holds that to the reference run.

    screenshots.py SESSION.jsonl FOLDER
"""
import os
import struct
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

import browser  # noqa: E402
from lib import page, results  # noqa: E402

# Name, width, dark, what of the page, height at most.
PICTURES = (('report-phone', 390, False, None, 1500), ('report-phone-dark', 390, True, '#wins', 1500),
            ('report-desk', 1280, False, None, 1480), ('report-desk-dark', 1280, True, '#E2', 1400))
BYTES_MAX = 300 * 1000


HEAD_BYTES = 33  # of a PNG: its signature and its first chunk
KEY = b'tEXtSource\0'  # the kind of a chunk, and its keyword


def sign(path, session):
    """Writes the name of a session into a picture."""
    with open(path, 'rb') as f:
        image = f.read()
    text = KEY + session.encode('latin-1')
    chunk = struct.pack('>I', len(text) - 4) + text + struct.pack('>I', zlib.crc32(text))
    with open(path, 'wb') as f:
        f.write(image[:HEAD_BYTES] + chunk + image[HEAD_BYTES:])


def session_of(path):
    """The name of the session that a picture is of, or None."""
    with open(path, 'rb') as f:
        head = f.read(HEAD_BYTES + 4 + len(KEY) + 200)
    length, = struct.unpack('>I', head[HEAD_BYTES:HEAD_BYTES + 4])
    text = head[HEAD_BYTES + 4:HEAD_BYTES + 8 + length]
    return text[len(KEY):].decode('latin-1') if text.startswith(KEY) else None


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
            sign(to, results.Session(words[0]).head['session'])
            size = os.path.getsize(to)
            print(f'{to}: {size} bytes{", which is more than it should be" if size > BYTES_MAX else ""}')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
