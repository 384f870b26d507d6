# SPDX-License-Identifier: MIT
"""Figures that others published, computed again from their data. They stand in grey with their source, and are mixed with nothing
that was measured here."""

MMAPBENCH = 'mmapbench (the data of Crotty, Leis, Pavlo: Are You Sure You Want to Use MMAP in Your Database Management System?, ' \
            'CIDR 2022), 100 GB of free memory, Linux 5.11'

PUBLISHED = {
    'E2': (
        ('Random reads of 4 KiB, 100 threads, one disk: fio with direct I/O reads 0.9 million pages a second throughout. The map with '
         'advice RANDOM also reads 0.9 million a second while memory fills, reads next to nothing for the four seconds after second '
         '27, and then swings between 0.2 and 0.6 million.', f'{MMAPBENCH}: rnd1.csv, and rows /blk/s2,0,1 of all.csv'),
    ),
    'E3': (
        ('One scan, 20 threads, ten disks: the map with advice NORMAL delivers 6.2 to 6.9 GiB/s for 14 seconds, nothing for about 3 '
         'seconds when memory is full, and 2.4 to 3.0 GiB/s afterwards, while the device reads 57 GiB/s all the time; with advice RANDOM '
         '0.1 GiB/s arrive of the 57 that are read. Nobody else should have used that device, so the series say little about maps.',
         f'{MMAPBENCH}: rows /dev/md127,1,0 and /dev/md127,1,1 of all.csv'),
    ),
}
