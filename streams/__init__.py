"""Stream processors on Faust: the transactional engine, the processors, the worker."""
