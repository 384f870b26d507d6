# SPDX-License-Identifier: MIT
"""Statistics of rounds: what may be said about a ratio, and when nothing may.

A round runs every cell once. The estimate is the ratio of two cells within a round; what is reported is the geometric mean over
rounds with a 95 % Student interval on the logarithms. There are no p-values and no best-of.
"""
import functools
import math
from dataclasses import dataclass

MARGIN = 1.05  # smaller differences are "the same"
CONFIDENCE = 0.95
FAR = 10  # counts of which some are 0 differ when every one is as many times the largest of the others
ROUNDS_MAX = 999  # nobody will run more; a verdict that needs them is out of reach
SAMPLES_BEYOND = 100  # a quantile needs as many samples beyond it


# --- Student's t --------------------------------------------------------------------------------

def _beta_fraction(a, b, x):
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 400):
        for numerator in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                          -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + numerator / c
            c = c if abs(c) > tiny else tiny
            result *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return result


def incomplete_beta(a, b, x):
    """The regularized incomplete beta function I_x(a, b), for x from 0 to 1."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
                     + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, 1 - x) / b


def student_cdf(t, freedom):
    """The probability that Student's variable with so many degrees of freedom is at most t."""
    tail = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return 1 - tail if t > 0 else tail


@functools.lru_cache(maxsize=4096)
def student_quantile(p, freedom):
    """The t with student_cdf(t) = p, by halving; 0 < p < 1, freedom >= 1."""
    if not 0 < p < 1 or freedom < 1:
        raise ValueError(f'expected 0 < p < 1 and freedom >= 1, found {p} and {freedom}')
    if p < 0.5:
        return -student_quantile(1 - p, freedom)
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < p:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < p else (low, middle)
    return (low + high) / 2


# --- ratios -------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Estimate:
    """A ratio over rounds. low and high are None with fewer than two rounds."""
    ratio: float
    low: float | None
    high: float | None
    points: tuple
    deviation: float  # of the logarithms

    @property
    def rounds(self):
        return len(self.points)


def estimate(ratios):
    """The geometric mean of positive ratios and its interval. None without any."""
    points = tuple(ratios)
    if not points:
        return None
    if any(not math.isfinite(r) or r <= 0 for r in points):
        raise ValueError(f'expected positive ratios, found {points}')
    logs = [math.log(r) for r in points]
    n = len(logs)
    mean = sum(logs) / n
    if n < 2:
        return Estimate(math.exp(mean), None, None, points, 0.0)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1))
    half = student_quantile((1 + CONFIDENCE) / 2, n - 1) * deviation / math.sqrt(n)
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half), points, deviation)


MORE, LESS, SAME, NOT_DECIDED = 'more', 'less', 'the same', 'not decided'


@dataclass(frozen=True)
class Verdict:
    """What may be said. rounds_needed: only with NOT_DECIDED; None: out of reach."""
    word: str
    why: str = ''
    rounds_needed: int | None = None


def _half(found, n):
    """Half of the interval on the logarithms that n rounds of this spread would have."""
    return student_quantile((1 + CONFIDENCE) / 2, n - 1) * found.deviation / math.sqrt(n)


def _rounds_needed(found, twins, margin):
    """With how many rounds of this spread there would be a word. More rounds make the interval of the A/A pair narrower too, around
    the ratio that it has now: one run after the other may have been at a disadvantage in every round."""
    distance, edge = abs(math.log(found.ratio)), math.log(margin)
    bias = math.copysign(1, math.log(found.ratio)) * math.log(twins.ratio) if twins is not None else 0  # to the side of the ratio
    def is_enough(n):
        if distance < edge:
            return distance + _half(found, n) < edge
        return distance - _half(found, n) > max(edge, bias + _half(twins, n) if twins is not None else 0)
    low, high = found.rounds, ROUNDS_MAX  # the half width falls with n
    if low >= high or not is_enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def verdict(found, twins=None, margin=MARGIN, needs_twins=False):
    """MORE or LESS if the interval lies beyond the margin and beyond that of `twins`, the A/A pair; SAME if it lies inside the
    margin; else NOT_DECIDED.

    found, twins: Estimates or None. margin: above 1. needs_twins: without the A/A pair nothing is said.
    """
    if found is None:
        return Verdict(NOT_DECIDED, 'no valid rounds')
    if found.low is None:
        return Verdict(NOT_DECIDED, 'one round has no spread')
    high_bar, low_bar, by_twins = margin, 1 / margin, False
    if twins is not None and twins.low is None:
        twins = None
    if twins is None and needs_twins:
        return Verdict(NOT_DECIDED, 'no two runs of the same cell')
    if twins is not None:
        by_twins = twins.high > high_bar or twins.low < low_bar
        high_bar, low_bar = max(high_bar, twins.high), min(low_bar, twins.low)
    if found.low > high_bar:
        return Verdict(MORE)
    if found.high < low_bar:
        return Verdict(LESS)
    if found.low > 1 / margin and found.high < margin:
        return Verdict(SAME)
    beyond = found.low > margin or found.high < 1 / margin
    if beyond and by_twins:
        return Verdict(NOT_DECIDED, 'two runs of the same cell differ as much', _rounds_needed(found, twins, margin))
    return Verdict(NOT_DECIDED, 'the interval is too wide', _rounds_needed(found, twins, margin))


def verdict_without_ratio(a, b, are_counts):
    """Of two lists with a value a round, of which some are 0: SAME if all are 0; MORE or LESS if the two are far apart."""
    if are_counts and len(a) > 1:
        if max(a) <= 0 and max(b) <= 0:
            return Verdict(SAME, 'both are 0')
        if min(a) > FAR * max(b):
            return Verdict(MORE, 'the other is 0' if max(b) <= 0 else 'the other is 0 at times')
        if min(b) > FAR * max(a):
            return Verdict(LESS, 'it is 0' if max(a) <= 0 else 'it is 0 at times')
    return Verdict(NOT_DECIDED, 'a value is 0, so there is no ratio')


# --- histograms ---------------------------------------------------------------------------------

def samples(histogram):
    """How many times a histogram [[low_ns, count], ...] holds."""
    return sum(count for _, count in histogram)


def quantile(histogram, q):
    """The bucket of the q-quantile, in ns. None if fewer than SAMPLES_BEYOND samples lie beyond it."""
    total = samples(histogram)
    if total * (1 - q) < SAMPLES_BEYOND * (1 - 1e-9):
        return None
    wanted, seen = q * total, 0
    for low, count in histogram:
        seen += count
        if seen >= wanted:
            return low
    return histogram[-1][0]


def longest_silence(times_ms, ops):
    """The longest time between two samples in which no operation ended, in ms, from samples of a count."""
    longest = 0
    since = times_ms[0] if times_ms else 0
    for i in range(1, len(ops)):
        if ops[i] != ops[i - 1]:
            since = times_ms[i]
        longest = max(longest, times_ms[i] - since)
    return longest
