"""edgekit: from a remote-sensing detector's checkpoint to a device that flies."""

__version__ = "0.1.0"
