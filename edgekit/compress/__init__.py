"""Stages that make a trained detector smaller and faster, and say what it cost."""
