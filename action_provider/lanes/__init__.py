"""Lanes: who may go on now, and where heavy requests are worked at."""
