"""A zip archive whose entries are stored as they are: where each begins, how long it is, and its bytes."""

import struct
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import WeightsError

LOCAL = b"PK\x03\x04"
HEADER = struct.Struct("<4s5H3I2H")  # before each entry: mark, needed, flags, method, time, date, crc, stored, whole, name, extra
_ROW = struct.Struct("<4s6H3I5H2I")  # in the directory: mark, made, then as above, note, disk, ..., place of the header
_END = struct.Struct("<4s4H2IH")  # mark, disk, disk, rows here, rows, size, place, note


class Entry(NamedTuple):
    """One entry of an archive."""

    place: int  # byte of its header
    size: int
    checksum: int


class Damaged(WeightsError):
    """An archive without the directory that stands at the end of each whole one."""


def directory(file: BinaryIO, size: int, where: str) -> dict[str, Entry]:
    """The entries of the archive `file` of `size` bytes, by name.

    Raises Damaged if the directory at the end is not there, WeightsError for entries that are compressed, twice there or too long.
    """
    tail_size = min(size, 2**16 + _END.size)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END.size:
        raise Damaged(f"{where}: a zip archive without its directory, which stands at the end: the file is cut; copy or download it anew")
    *_, count, length, place, _ = _END.unpack_from(tail, found)
    if count == 0xFFFF or 0xFFFFFFFF in (length, place):
        raise WeightsError(f"{where}: a zip archive of more than 4 GB or 65,534 entries; expected the checkpoint of a detector")
    if place + length > size - tail_size + found:
        raise Damaged(f"{where}: a zip archive whose directory is not where its end says: the file is cut or damaged; copy it anew")
    file.seek(place)
    return _rows(file.read(length), count, size, where)


def _rows(table: bytes, count: int, size: int, where: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    at = total = 0
    for _ in range(count):
        if at + _ROW.size > len(table):
            raise WeightsError(f"{where}: a zip archive whose directory ends after {len(entries)} of {count} entries; copy the file anew")
        mark, _, _, flags, method, _, _, checksum, stored, whole, *lengths, _, _, _, place = _ROW.unpack_from(table, at)
        name_length, extra_length, note_length = lengths
        name = table[at + _ROW.size : at + _ROW.size + name_length].decode("utf-8", "replace")
        at += _ROW.size + name_length + extra_length + note_length
        shown = ascii(name[:80])
        if mark != b"PK\x01\x02" or at > len(table):
            raise WeightsError(f"{where}: a zip archive whose directory is damaged at entry {len(entries)}; copy the file anew")
        if name in entries:
            raise WeightsError(f"{where}: a zip archive that holds {shown} twice; expected each name once, as PyTorch writes it")
        if name.startswith("/") or "/../" in f"/{name}/" or "\\" in name or "\0" in name:
            raise WeightsError(f"{where}: a zip archive with an entry named {shown}; expected names in one folder, as PyTorch writes")
        if method or flags & 1 or stored != whole:
            raise WeightsError(
                f"{where}: a zip archive whose entry {shown} is {'encrypted' if flags & 1 else 'compressed'}; PyTorch stores them as they "
                f"are; unpack the archive, if a checkpoint lies within, or save it anew with torch.save"
            )
        total += whole + HEADER.size
        if place + HEADER.size + whole > size or total > size:
            raise WeightsError(f"{where}: a zip archive whose entry {shown} claims {whole} bytes, more than the file has; copy it anew")
        entries[name] = Entry(place, whole, checksum)
    return entries


def contents(file: BinaryIO, name: str, entry: Entry, where: str) -> NDArray[np.uint8]:
    """The bytes of an entry, checked against their checksum. Raises WeightsError that names it."""
    written = name.encode()
    file.seek(entry.place)
    head = file.read(HEADER.size + len(written))
    if len(head) < HEADER.size + len(written) or head[:4] != LOCAL or head[HEADER.size :] != written:
        raise WeightsError(f"{where}: entry {name[:80]!a} is not where the archive's directory says; copy the file anew")
    *_, name_length, extra_length = HEADER.unpack_from(head)
    file.seek(entry.place + HEADER.size + name_length + extra_length)
    data = np.empty(entry.size, np.uint8)
    if file.readinto(data) != entry.size:  # type: ignore[attr-defined]
        raise WeightsError(f"{where}: entry {name[:80]!a} runs beyond the end of the file; copy it anew")
    if zlib.crc32(data.data) != entry.checksum:
        raise WeightsError(f"{where}: the bytes of {name[:80]!a} do not match their checksum; the file is damaged, copy it anew")
    return data
