"""The engine: per partition one Kafka transaction for rows, outgoing records, decisions and position.

Read in this order: ``processor`` (what is run), ``cycle`` (the protocol of one batch), ``task`` (one partition's life:
fence, restore, run), ``store`` and ``view`` (rows), ``transport`` and ``group`` (how it hangs on Faust).
"""
