"""Tables: what each is and how an event changes it. Pure folds; no I/O, no clock, no randomness."""
