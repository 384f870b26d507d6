# SPDX-License-Identifier: MIT
"""Progress with the time that is left: a line that is drawn again on a terminal, a line now and then elsewhere."""
import sys
import time

EVERY_TERMINAL_S, EVERY_FILE_S = 0.2, 5


def clock(seconds):
    seconds = max(0, round(seconds))
    if seconds >= 3600:
        return f'{seconds // 3600} h {seconds % 3600 // 60:02} min'
    return f'{seconds // 60} min {seconds % 60:02} s' if seconds >= 60 else f'{seconds} s'


class Progress:
    """expected_s: what all of it will take, as far as is known before."""

    def __init__(self, expected_s, stream=None):
        self.stream = sys.stderr if stream is None else stream
        self.terminal = self.stream.isatty()
        self.start = self.drawn = time.monotonic()
        self.expected_s, self.done_s = expected_s, 0.0  # of what was expected
        self.width = 0

    def left_s(self, current_s=0.0):
        """Expected seconds that are left, corrected by how long the finished part took."""
        elapsed = time.monotonic() - self.start
        pace = elapsed / (self.done_s + current_s) if self.done_s + current_s > 5 else 1.0
        return max(0.0, self.expected_s - self.done_s - current_s) * pace

    def show(self, text, current_s=0.0, force=False):
        now = time.monotonic()
        if not force and now - self.drawn < (EVERY_TERMINAL_S if self.terminal else EVERY_FILE_S):
            return
        self.drawn = now
        line = f'{text}; {clock(self.left_s(current_s))} left'
        if self.terminal:
            self.stream.write('\r' + line.ljust(self.width)[:200])
            self.width = len(line)
        else:
            self.stream.write(line + '\n')
        self.stream.flush()

    def finish(self, expected_s):
        """A part that was expected to take so long is done."""
        self.done_s += expected_s

    def clear(self):
        if self.terminal and self.width:
            self.stream.write('\r' + ' ' * self.width + '\r')
            self.stream.flush()
            self.width = 0
