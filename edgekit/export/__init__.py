"""Exporters: from a checkpoint to artefacts that engines run, and the bundle around them."""
