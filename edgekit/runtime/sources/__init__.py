"""Where frames come from."""

from edgekit.runtime.sources.opening import open_source
from edgekit.runtime.sources.reading import Reader, Reading, Unreadable
from edgekit.runtime.sources.source import Source

__all__ = ["Reader", "Reading", "Source", "Unreadable", "open_source"]
