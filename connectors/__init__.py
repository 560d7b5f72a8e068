"""The edge: sources bring events in, sinks carry actions out, the gateway is the HTTP front door."""
