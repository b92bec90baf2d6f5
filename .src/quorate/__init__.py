"""Quorate: resource agents, CIB generator and lab for OpenStack-style control planes."""

__version__ = "0.1.0"
