"""
Internal: workers that are killed, frozen and cut off, and what arrives all the same (``make test-faults``).

A test of `scenarios` enqueues messages (`mail`), lets worker processes (`workers`) deliver them to a mail server of its
own, and does something to them, to their database (`servers`) or to the network between (`proxy`) at moments that a
seed chooses (`nemesis`). Then the mail server's log, the rows and the public counts are compared (`checker`). That a
checker which finds nothing has looked hard enough is shown by `mutants`.
"""
