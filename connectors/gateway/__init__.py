"""The gateway: one HTTP port through which events come in, state is read, and the way of events is seen."""
