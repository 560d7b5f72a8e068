"""The demo: real input, played through the front door."""
