# SPDX-License-Identifier: MIT
"""Rule R10: was anybody else at work? If so, the run's wall-clock times do not count."""

DEVICE_SHARE = 0.02
DEVICE_BYTES = 1 << 20  # less than that is a log's line
STEAL_SHARE = 0.02
OTHER_CPU_SHARE = 0.05


def served_s(before, after):
    """CPU seconds of kswapd and kworkers between two readings. A cell that fills its memory causes them, so they are no others (rule R9
    counts them as its own); what they do for others shows in the disk's bytes."""
    then = before.get('servants', {})
    return sum(max(0.0, now - then.get(thread, 0.0)) for thread, now in after.get('servants', {}).items())


def noise(before, after, own_cpu_s, own_device_bytes):
    """Sentences, one for each disturbance between two readings of the machine; [] when it was quiet.

    own_cpu_s: of the cell and the harness; what the kernel's threads did for them is added. own_device_bytes: that the cell read and wrote; None: not known, which counts as noise.
    """
    found = []
    if before['cpu'] and after['cpu']:
        total = after['cpu']['total'] - before['cpu']['total']
        steal = after['cpu']['steal'] - before['cpu']['steal']
        other = after['cpu']['busy'] - before['cpu']['busy'] - own_cpu_s - served_s(before, after)
        if total > 0 and steal / total > STEAL_SHARE:
            found.append(f'the host took {steal / total:.0%} of the CPU time (steal)')
        if total > 0 and other / total > OTHER_CPU_SHARE:
            found.append(f'others used {other / total:.0%} of the CPU time')
    else:
        found.append('the CPU time of others cannot be read')
    if before['disk'] and after['disk'] and own_device_bytes is not None:
        moved = sum(after['disk'][name] - before['disk'][name] for name in ('read_bytes', 'write_bytes'))
        foreign = moved - own_device_bytes
        if foreign > DEVICE_BYTES and foreign > DEVICE_SHARE * moved:
            found.append(f'others moved {foreign / moved:.0%} of the bytes of the disk')
    else:
        found.append('what others read and write on the disk cannot be seen')
    for name, value in before['settings'].items():
        if after['settings'].get(name) != value:
            found.append(f'{name} changed from {value} to {after["settings"].get(name)}')
    return found


def busy_share(before, after):
    """The part of the machine that was at work between two readings, 0 to 1; None: not known."""
    if not before['cpu'] or not after['cpu']:
        return None
    total = after['cpu']['total'] - before['cpu']['total']
    return (after['cpu']['busy'] - before['cpu']['busy']) / total if total > 0 else None
