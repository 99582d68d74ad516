"""What this machine has: processor, memory, disk, and the parts that edgekit can use.

Everything is read from files and package metadata; no library of an extra is imported, except by an
engine that is asked for its devices.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

#: What the flags of a processor mean for inference: name here -> names in /proc/cpuinfo.
CPU_FLAGS = {
    "avx2": ("avx2",),
    "avx512f": ("avx512f",),
    "avx_vnni": ("avx_vnni",),
    "avx512_vnni": ("avx512_vnni",),
    "avx512_bf16": ("avx512_bf16",),
    "amx_int8": ("amx_int8",),
    "neon": ("neon", "asimd"),
    "neon_fp16": ("asimdhp",),
    "neon_dotprod": ("asimddp",),
    "neon_i8mm": ("i8mm",),
}

#: What each extra is for; the packages themselves come from the installed metadata.
EXTRA_PURPOSES = {
    "openvino": "run bundles on a CPU",
    "images": "read folders of images, draw detections",
    "video": "read video files and cameras",
    "raster": "read GeoTIFF scenes",
    "onboard": "all that a device needs",
    "demo": "watch edgekit demo with its own broker",
    "train": "train and evaluate checkpoints",
    "export": "export checkpoints to bundles",
    "compress": "quantise to INT8",
    "test": "run the tests",
    "dev": "work on edgekit itself",
}

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?\s*([^;]*)")
_EXTRA_MARKER = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Cpu:
    """model, cores of the machine, cores that this process may use, flags that matter."""

    model: str
    cores: int
    usable_cores: int
    flags: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Package:
    """A package that an extra needs: the lowest version, and the installed one or None."""

    name: str
    needed: str
    installed: str | None

    @property
    def is_fit(self) -> bool:
        """Installed, and new enough."""
        return self.installed is not None and is_at_least(self.installed, self.needed)


@dataclass(frozen=True, slots=True)
class Extra:
    """One extra of edgekit, and whether its packages are here."""

    name: str
    purpose: str
    packages: tuple[Package, ...]

    @property
    def state(self) -> str:
        """ "installed", "too old" or "missing"."""
        if all(package.is_fit for package in self.packages):
            return "installed"
        is_missing = any(package.installed is None for package in self.packages)
        return "missing" if is_missing else "too old"

    @property
    def fix(self) -> str | None:
        """The command that mends it; None where nothing is wrong."""
        if self.state == "installed":
            return None
        upgrade = "--upgrade " if self.state == "too old" else ""
        return f"pip install {upgrade}'edgekit[{self.name}]'"


def read_cpu(cpuinfo: str | None = None) -> Cpu:
    """The processor. `cpuinfo` is the text of /proc/cpuinfo, for tests."""
    if cpuinfo is None:
        cpuinfo = _read_text(Path("/proc/cpuinfo"))
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    found = set((fields.get("flags") or fields.get("Features") or "").split())
    model = fields.get("model name") or fields.get("Model") or _device_tree_model()
    return Cpu(
        model=model or platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        usable_cores=len(os.sched_getaffinity(0)),
        flags={name: bool(found & set(names)) for name, names in CPU_FLAGS.items()},
    )


def read_memory_mib() -> tuple[int, int]:
    """(total, available) memory in MiB; a container's limit counts where it is lower."""
    fields = dict(
        line.split(":", 1) for line in _read_text(Path("/proc/meminfo")).splitlines() if ":" in line
    )
    total, available = (
        int(fields.get(key, "0 kB").split()[0]) // 1024 for key in ("MemTotal", "MemAvailable")
    )
    limit = _read_text(Path("/sys/fs/cgroup/memory.max")).strip()
    if limit.isdigit():
        total = min(total, int(limit) // 2**20)
    return total, min(total, available)


def read_disk_mib(path: Path) -> tuple[int, int]:
    """(total, free) MiB of the file system that holds `path`."""
    usage = shutil.disk_usage(path)
    return usage.total // 2**20, usage.free // 2**20


def read_extras() -> tuple[Extra, ...]:
    """Every extra of the installed edgekit; empty where it runs without being installed."""
    try:
        lines = metadata.requires("edgekit") or []
        names = metadata.metadata("edgekit").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return ()
    wanted = _requirements(lines)
    return tuple(
        Extra(name, EXTRA_PURPOSES.get(name, ""), _packages(name, wanted))
        for name in sorted(names, key=_place)
    )


def find_mosquitto() -> str | None:
    """Where the Mosquitto broker is; Debian keeps it out of a user's PATH."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("mosquitto", path=places)


def read_system() -> dict[str, str]:
    """Operating system, kernel, architecture, C library."""
    libc, libc_version = platform.libc_ver()
    return {
        "os": _os_name(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "libc": f"{libc} {libc_version}".strip() or "unknown",
        "python": platform.python_version(),
        "executable": sys.executable,
    }


def is_at_least(version: str, needed: str) -> bool:
    """Whether a version meets ">=X.Y"; other kinds of bounds are not judged.

    >>> is_at_least("2026.4.1", ">=2025.2"), is_at_least("2.0.0", ">=2.1"), is_at_least("1", "")
    (True, False, True)
    """
    bound = re.search(r">=\s*([0-9.]+)", needed)
    return bound is None or _numbers(version) >= _numbers(bound.group(1))


def _numbers(version: str) -> list[int]:
    match = re.match(r"[0-9.]+", version)
    parts = [int(part) for part in match.group().split(".") if part] if match else []
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


def _requirements(lines: list[str]) -> dict[str, list[tuple[str, str, str]]]:
    """extra -> (package, extras of that package, version bound)."""
    wanted: dict[str, list[tuple[str, str, str]]] = {}
    for line in lines:
        marker, requirement = _EXTRA_MARKER.search(line), _REQUIREMENT.match(line)
        if marker and requirement:
            name, extras, bound = requirement.groups()
            wanted.setdefault(marker.group(1), []).append((name, extras or "", bound.strip(" ()")))
    return wanted


def _packages(extra: str, wanted: dict[str, list[tuple[str, str, str]]]) -> tuple[Package, ...]:
    """The packages of an extra, those of the extras that it includes among them."""
    found: dict[str, Package] = {}
    for name, extras, bound in wanted.get(extra, []):
        if name == "edgekit":
            for inner in filter(None, (item.strip() for item in extras.split(","))):
                found |= {package.name: package for package in _packages(inner, wanted)}
        else:
            found[name] = Package(name, bound, _installed(name))
    return tuple(found.values())


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _place(name: str) -> tuple[int, str]:
    known = list(EXTRA_PURPOSES)
    return (known.index(name) if name in known else len(known), name)


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _device_tree_model() -> str:
    """The board's name on Arm, whose /proc/cpuinfo may have none."""
    return _read_text(Path("/proc/device-tree/model")).strip("\0\n ")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
