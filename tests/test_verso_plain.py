#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `verso load` of what other programs write: --tsv, --csv, --null, --lines.

usage: test_verso_plain.py VERSO

Each function `test_*` gets a scratch folder and runs once with each pager. The last line counts them.
"""
import csv
import io
import os
import random
import signal
import subprocess
import sys

from tool_shell import ERROR, OK, USAGE, VERSO, Skipped, run_tests

SEED = int(os.environ.get('VERSO_SEED') or random.randrange(1 << 32))


def escaped(raw):
    """The escapes of docs/dump-format.md."""
    out = ''
    for c in raw.decode('latin-1'):
        out += {'\t': '\\t', '\n': '\\n', '\\': '\\\\'}.get(c) or (f'\\x{ord(c):02x}' if c < ' ' or c == '\x7f' else c)
    return out.encode('latin-1')


def lines_of(records):
    return b''.join(escaped(k) + b'\t' + escaped(v) + b'\n' for k, v in sorted(records.items()))


def test_cr_lf_is_spoken_of_and_kept(sh):
    done = sh.expect(OK, 'load', 'a', '--tsv', stdin=b'one\t1\ntwo\t2\r\nthree\t3\r\nfour\t4\r')
    assert b'2 lines end with CR LF, line 2 first' in done.stderr and b'--crlf' in done.stderr, done
    sh.expect(OK, 'scan', 'a', out=b'four\t4\\x0d\none\t1\nthree\t3\\x0d\ntwo\t2\\x0d\n')
    done = sh.expect(OK, 'load', 'b', '--tsv', '--crlf', stdin=b'one\t1\ntwo\t2\r\nthree\t3\r\r\n')
    assert b'CR' not in done.stderr, done
    sh.expect(OK, 'scan', 'b', out=b'one\t1\nthree\t3\\x0d\ntwo\t2\n')
    sh.expect(OK, 'load', 'c', '--lines', stdin=b'a\tb\\n\r\n', err=b'1 lines end with CR LF, line 1 first')
    sh.expect(OK, 'load', 'd', '--lines', '--crlf', stdin=b'a\tb\\n\r\n')
    sh.expect(OK, 'scan', 'd', out=b'a\tb\\n\n')
    assert b'CR' not in sh.expect(OK, 'load', 'e', '--tsv', stdin=b'a\tb\rc\n').stderr


def test_a_dash_is_standard_input(sh):
    sh.expect(OK, 'load', 'a', '-', '--tsv', stdin=b'one\t1\n')
    sh.expect(OK, 'scan', 'a', out=b'one\t1\n')
    sh.expect(OK, 'load', 'b', '-', stdin=sh.expect(OK, 'dump', 'a').stdout)
    sh.expect(OK, 'scan', 'b', out=b'one\t1\n')


def test_null_takes_any_text(sh):
    records = {b'': b'empty key', b'tab\there': b'line\nend', b'\\x41': b'', b'cr': b'\r\n'}
    sh.expect(OK, 'load', 'a', '--null', stdin=b''.join(k + b'\0' + v + b'\0' for k, v in records.items()))
    sh.expect(OK, 'scan', 'a', out=lines_of(records))
    sh.expect(OK, 'load', 'b', '-0', stdin=b'', err=b'loaded 0 records')
    for text, field in ((b'a\0b', 2), (b'a\0', 1), (b'a', 1), (b'a\0b\0c\0', 3), (b'a\0b\0c\0d', 4)):
        done = sh.expect(ERROR, 'load', 'c', '-0', stdin=text, err=b'middle of a record')
        assert b'c was not made' in done.stderr and not os.path.exists(os.path.join(sh.folder, 'c')), done
    long_value = b'x' * 300000
    sh.expect(OK, 'load', 'd', '-0', stdin=b'k\0' + long_value + b'\0')
    sh.expect(OK, 'get', 'd', 'k', '--raw', out=long_value)


def test_csv_is_what_others_write(sh):
    print(f'VERSO_SEED={SEED}')
    rng = random.Random(SEED)
    for n in range(8):
        records = {}
        for _ in range(200):
            key, val = (''.join(rng.choice('ab,"\n\r\t\\ é;\'') for _ in range(rng.randint(0, size)))
                        for size in (8, rng.choice((5, 60))))
            records[key] = val
        out = io.StringIO()
        # With another end of line Python would leave a CR without its quotes.
        end, quoting = rng.choice((('\n', csv.QUOTE_ALL), ('\r\n', csv.QUOTE_ALL), ('\r\n', csv.QUOTE_MINIMAL)))
        writer = csv.writer(out, lineterminator=end, quoting=quoting)
        if n % 2:
            writer.writerow(('the "key"', 'the\nvalue'))
        writer.writerows(records.items())
        sh.expect(OK, 'load', f'a{n}', '--csv', *(('--header',) if n % 2 else ()),
                  stdin=out.getvalue().encode())
        raw = {k.encode(): v.encode() for k, v in records.items()}
        assert sh.expect(OK, 'scan', f'a{n}').stdout == lines_of(raw), (SEED, n)
    sh.expect(OK, 'load', 'b', '--csv', stdin=b'a,b\r\n"c","d"\r\ne,"f""\ng"')
    sh.expect(OK, 'scan', 'b', out=b'a\tb\nc\td\ne\tf"\\ng\n')


def test_a_byte_order_mark_is_no_part_of_a_row(sh):
    mark = b'\xef\xbb\xbf'
    for n, text in enumerate((b'a,b\r\n', b'"a","b"\r\n', b'key,value\r\na,b\r\n', b'"key",value\na,b\n')):
        sh.expect(OK, 'load', f'a{n}', '--csv', *(('--header',) if n > 1 else ()), stdin=mark + text)
        sh.expect(OK, 'scan', f'a{n}', out=b'a\tb\n')
    # Where bytes are taken as they are it is spoken of; elsewhere it is none.
    done = sh.expect(OK, 'load', 'b', '--tsv', stdin=mark + b'a\tb\n', err=b'begins with a byte order mark')
    sh.expect(OK, 'scan', 'b', out=mark + b'a\tb\n')
    for words, text in ((('--tsv',), b'x\ty\n' + mark + b'a\tb\n'), (('--lines',), mark + b'a\tb\n'),
                        (('--tsv', '--header'), mark + b'key\tvalue\na\tb\n')):
        done = sh.expect(OK, 'load', 'c', *words, stdin=text)
        assert b'mark' not in done.stderr, done
    sh.expect(OK, 'load', 'd', '--csv', stdin=b'x,y\n' + mark + b'a,b\n')
    sh.expect(OK, 'scan', 'd', out=b'x\ty\n' + mark + b'a\tb\n')


def test_bad_rows_are_told_with_their_line(sh):
    for text, line, why in ((b'a,b\nc\n', 2, b'one column'), (b'a,b\n\n', 2, b'one column'),
                            (b'a,b,c\n', 1, b'more than two'), (b'a,b\n"c,d\ne\n', 4, b'begin in line 2'),
                            (b'"a"b,c\n', 1, b'other than a comma'), (b'a"b,c\n', 1, b'inside a column'),
                            (b'a,"b" \n', 1, b'other than a comma'), (b'a,b"\n', 1, b'inside a column'),
                            (b'"', 1, b'do not end')):
        done = sh.expect(ERROR, 'load', 'a', '--csv', stdin=text, err=why)
        assert b', line %d: ' % line in done.stderr and b'a was not made' in done.stderr, done
    assert os.listdir(sh.folder) == []


def test_a_header_is_left_out(sh):
    sh.expect(OK, 'load', 'a', '--tsv', '--header', stdin=b'name\tradius\nmars\t3390\n')
    sh.expect(OK, 'scan', 'a', out=b'mars\t3390\n')
    sh.expect(OK, 'load', 'b', '--csv', '--header', stdin=b'name,radius\n')
    sh.expect(OK, 'scan', 'b', out=b'')
    sh.expect(OK, 'load', 'c', '--tsv', '--header', stdin=b'')
    sh.expect(ERROR, 'load', 'd', '--csv', '--header', stdin=b'name\nmars,3390\n', err=b'line 1')
    for words in (('--header',), ('--lines', '--header'), ('--crlf',), ('--batch=2',)):
        sh.expect(USAGE, 'load', 'd', *words, stdin=b'a\tb\n')


def test_a_failed_load_says_what_is_kept(sh):
    lines = b'a\t1\nb\t2\nc\t3\nd\t4\ne\n'
    sh.expect(ERROR, 'load', 'a', '--tsv', stdin=lines, err=b'nothing was loaded, and a was not made')
    sh.expect(OK, 'put', 'a', 'k', 'v')
    sh.expect(ERROR, 'load', 'a', '--tsv', stdin=lines, err=b'nothing was loaded\n')
    sh.expect(ERROR, 'load', 'a', '--tsv', '--batch=3', stdin=lines,
              err=b'the first 3 records were loaded and stay, up to line 3\n')
    sh.expect(OK, 'scan', 'a', '-k', out=b'a\nb\nc\nk\n')
    dump = sh.expect(OK, 'dump', 'a').stdout
    sh.expect(ERROR, 'load', 'a', stdin=dump[:-9], err=b'nothing was loaded\n')
    sh.expect(ERROR, 'load', 'b', stdin=dump[:-9], err=b'nothing was loaded, and b was not made\n')
    sh.expect(ERROR, 'load', 'b', stdin=b'x', err=b'nothing was loaded\n')


def wait_until_it_reads(tool):
    """Returns when the process waits for more of its standard input, a pipe."""
    for _ in range(100000):
        assert tool.poll() is None
        with open(f'/proc/{tool.pid}/wchan', encoding='ascii') as f:
            where = f.read()
        if 'pipe' in where:
            return
    raise Skipped('this kernel does not say where a process waits')


def test_an_interrupted_load_says_what_is_kept(sh):
    sh.expect(OK, 'put', 'old', 'k', 'v')
    dump = sh.expect(OK, 'dump', 'old').stdout
    for words, text, kept in (
            (('old', '--tsv', '--batch=2'), b'a\t1\nb\t2\nc\t3\n', b'the first 2 records were loaded and stay, up to line 2'),
            (('old', '-0', '--batch=1'), b'a\x001\x00b', b'the first 1 records were loaded and stay, up to field 2'),
            (('old',), dump[:-30], b'nothing was loaded'),
            (('new', '--tsv', '--batch=1'), b'a\t1\nb\t2\nc', b'nothing was loaded, and new was not made'),
            (('new',), dump[:-30], b'nothing was loaded, and new was not made')):
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([VERSO, 'load', *words, sh.pager], cwd=sh.folder, stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE,
                                  preexec_fn=lambda n=number: signal.signal(n, signal.SIG_DFL)) as tool:
                tool.stdin.write(text)
                tool.stdin.flush()
                wait_until_it_reads(tool) # so it has put all that there is
                tool.send_signal(number)
                assert tool.wait(timeout=60) == -number, tool.returncode
                assert tool.stderr.read() == b'verso: interrupted: ' + kept + b'\n', (words, number)
    assert not os.path.exists(os.path.join(sh.folder, 'new'))
    sh.expect(OK, 'scan', 'old', '-k', out=b'a\nb\nk\n')


if __name__ == '__main__':
    sys.exit(run_tests(globals()))
