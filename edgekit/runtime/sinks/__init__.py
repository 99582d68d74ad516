"""Where detections go."""

from edgekit.runtime.sinks.json_lines import JsonLinesSink
from edgekit.runtime.sinks.sink import Result, Sink

__all__ = ["JsonLinesSink", "Result", "Sink"]
