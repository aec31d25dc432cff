"""Measurements of this server beside others, on one machine, in turns: `./run bench --help`."""
