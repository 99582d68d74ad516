"""Scenarios, statistics and reports of latency."""
