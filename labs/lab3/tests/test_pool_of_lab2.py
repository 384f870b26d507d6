#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pool of Lab 3 is that of Lab 2c and reads ahead: each function of Lab 2's reference stands in Lab 3's word for word, but for
those that reading ahead changes. So what is mended in one of the two references is mended in the other."""
import os
import re
import sys

LABS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
CHANGED = {'take_frame', 'wait_for_load', 'read_page', 'load', 'pool_fix', 'pool_close', 'cache_open'}


def functions(lab):
    """{name: text} of the functions in a lab's pool.c, without the markers of its tasks."""
    with open(os.path.join(LABS, lab, 'pool.c'), encoding='utf-8') as f:
        text = re.sub(r'(?m)^\t/\* LAB .*\n', '', f.read())
    return {name: head + body for head, name, body in re.findall(r'(?m)^((?:static )?\w[\w *]*?\b(\w+)\([^;{]*\)\n)(\{\n(?:.*\n)*?\})$', text)}


def main():
    before, now = functions('lab2'), functions('lab3')
    bad = [f'{name}() of Lab 2 is not in Lab 3' for name in before if name not in now]
    for name in set(before) & set(now):
        if (before[name] != now[name]) != (name in CHANGED):
            bad.append(f'{name}() is the same in both labs, and CHANGED names it' if name in CHANGED else
                       f'{name}() differs between labs/lab2/pool.c and labs/lab3/pool.c: mend both, or name it in CHANGED')
    bad += [f'CHANGED names {name}(), which Lab 2 does not have' for name in sorted(CHANGED - set(before))]
    if len(before) < 20:
        bad.append(f'{len(before)} functions were found in Lab 2: are they written in another way now?')
    for line in bad:
        print(line)
    print(f'{len(before) - len(bad)} passed, {len(bad)} failed, 0 skipped')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
