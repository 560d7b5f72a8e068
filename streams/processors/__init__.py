"""One file per processor: its topics, its tables, its step."""
