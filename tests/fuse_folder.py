# SPDX-License-Identifier: MIT
"""A folder on a FUSE file system that holds one empty file, `a`: the kernel cannot tell it from one of a
network file system. The messages are those of linux/fuse.h, as many as opening and reading a file need."""
import contextlib
import ctypes
import errno
import os
import struct
import threading

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, BATCH_FORGET = 25, 26, 42
FOLDER, FILE = 1, 2 # node ids
MNT_DETACH = 2


def attributes(node):
    mode = 0o40755 if node == FOLDER else 0o100644
    return struct.pack('<6Q10I', node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, body):
    """The bytes of the reply, or an errno."""
    if opcode == INIT:
        return struct.pack('<4I2H2I2H8I', 7, 31, 65536, 0, 16, 12, 65536, 1, 16, 0, *[0] * 8)
    if opcode == LOOKUP:
        if node != FOLDER or body != b'a\0':
            return errno.ENOENT
        return struct.pack('<4Q2I', FILE, 0, 1, 1, 0, 0) + attributes(FILE)
    if opcode == GETATTR:
        return struct.pack('<Q2I', 1, 0, 0) + attributes(node)
    if opcode == OPEN:
        return struct.pack('<Q2I', 0, 0, 0)
    if opcode == STATFS:
        return struct.pack('<5Q4I6I', 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6)
    if opcode in (READ, RELEASE, FLUSH):
        return b''
    return errno.ENOSYS


def serve(fd):
    while True:
        try:
            request = os.read(fd, 1 << 18)
        except OSError as e:
            if e.errno in (errno.EINTR, errno.ENOENT):
                continue
            return # unmounted
        _, opcode, unique, node = struct.unpack_from('<2I2Q', request)
        if opcode in (FORGET, BATCH_FORGET):
            continue
        reply = answer(opcode, node, request[40:])
        code, data = (-reply, b'') if isinstance(reply, int) else (0, reply)
        with contextlib.suppress(OSError): # nobody waits for it any more
            os.write(fd, struct.pack('<IiQ', 16 + len(data), code, unique) + data)


@contextlib.contextmanager
def mounted(path):
    """Mounts it at `path`. OSError: this system or this user may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open('/dev/fuse', os.O_RDWR)
    try:
        options = f'fd={fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}'
        if libc.mount(b'verso-test', path.encode(), b'fuse', 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), 'mount')
        server = threading.Thread(target=serve, args=(fd,))
        server.start()
        try:
            yield
        finally:
            libc.umount2(path.encode(), MNT_DETACH)
            server.join()
    finally:
        os.close(fd)
