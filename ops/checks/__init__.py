"""Was anything lost, duplicated or wrong? Asked of the log after a run, by the demo and the tests that kill things.

(a) every accepted event is in a log or a dead letter exactly once, every action has one outcome;
(b) folding each recorded partition over a plain dict gives the same rows, actions and decisions;
(c) orders and spend per customer equal a query over the source data that shares no code with us.
"""
