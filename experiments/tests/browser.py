# SPDX-License-Identifier: MIT
"""Headless Chromium over its debugging pipe: opens a file at a width, in light or dark, runs a script in it, takes pictures.

The pipe needs no port and no library: messages are JSON, each ended by a zero byte, on descriptors 3 and 4 of the browser.
"""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NEEDED = 'Chromium is not installed (apt-get install chromium)'
TIMEOUT_S = 120
EDGE_PX = 16
MOVED = 20  # the first descriptor that is out of the way of 3 and 4


class BrowserError(Exception):
    """The browser did not start, answered with an error, or not in time."""


def program():
    return next((path for name in ('chromium', 'chromium-browser', 'google-chrome') if (path := shutil.which(name))), None)


class Browser:
    """A browser with one tab. Use as `with Browser() as b`."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='verso-report-')
        from_us, self.out = os.pipe()
        self.answers, to_us = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, MOVED) for end in (from_us, to_us)]
        os.close(from_us)
        os.close(to_us)

        def place():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)
        self.child = subprocess.Popen(
            [program(), '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars',
             '--remote-debugging-pipe', '--disable-background-networking', '--no-first-run', f'--user-data-dir={self.folder}'],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in ends:
            os.close(end)
        self.number, self.rest, self.tab, self.events = 0, b'', None, []

    def __enter__(self):
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.tab = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        self.call('Page.enable')
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        os.close(self.out)
        os.close(self.answers)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _message(self, end):
        while b'\0' not in self.rest:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, end - time.monotonic()))
            read = os.read(self.answers, 1 << 20) if ready else b''
            if not read:
                raise BrowserError(f'the browser {"ended" if ready else f"did not answer within {TIMEOUT_S} s"}')
            self.rest += read
        text, self.rest = self.rest.split(b'\0', 1)
        return json.loads(text)

    def call(self, method, **params):
        """Returns the result of a method of the debugging protocol."""
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params, **({'sessionId': self.tab} if self.tab else {})}
        os.write(self.out, json.dumps(message).encode() + b'\0')
        end = time.monotonic() + TIMEOUT_S
        while True:
            answer = self._message(end)
            if answer.get('id') == self.number:
                if 'error' in answer:
                    raise BrowserError(f'{method}: {answer["error"].get("message")}')
                return answer['result']
            self.events.append(answer.get('method'))

    def open(self, path, width_px, dark=False, media='screen', height_px=844, scale=1):
        """Loads a file in a window of that size."""
        self.call('Emulation.setDeviceMetricsOverride', width=width_px, height=height_px, deviceScaleFactor=scale, mobile=width_px < 600)
        self.call('Emulation.setEmulatedMedia', media=media,
                  features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        self.events.clear()
        self.call('Page.navigate', url='file://' + os.path.abspath(path))
        end = time.monotonic() + TIMEOUT_S
        while 'Page.loadEventFired' not in self.events:
            self.events.append(self._message(end).get('method'))

    def run(self, script):
        """The value of an expression of the page, which may be a promise."""
        found = self.call('Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in found:
            raise BrowserError(found['exceptionDetails'].get('exception', {}).get('description', 'an exception in the page'))
        return found['result'].get('value')

    def picture(self, to, selector=None, height_max_px=None):
        """Writes a PNG of what is seen, or of an element."""
        clip = {}
        if selector or height_max_px:
            box = self.run(f'(() => {{ const r = document.querySelector({json.dumps(selector or "html")}).getBoundingClientRect();'
                           'return [r.left + scrollX, r.top + scrollY, r.width, r.height]; })()')
            x, y, width, height = box
            if selector:  # with some of the page around it
                x, width = x - EDGE_PX, width + 2 * EDGE_PX
            clip = {'clip': {'x': x, 'y': y, 'width': width, 'height': min(height, height_max_px or height), 'scale': 1},
                    'captureBeyondViewport': True}
        data = self.call('Page.captureScreenshot', format='png', **clip)['data']
        with open(to, 'wb') as f:
            f.write(base64.b64decode(data))
