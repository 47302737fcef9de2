"""Online events and store receipts as one history with two clocks: when, and known since when.

An event has a ``time`` (when it happened) and a ``seq`` (the segment of the journal that made it
known). A feature is a function of (user, t, seq): of the events with time <= t in the segments up
to ``seq``. The online store returns the ``seq`` that it saw; the offline join is asked for the
same one. So both give the same numbers, however late, doubled or disordered events arrive.
"""
