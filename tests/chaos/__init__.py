"""Chaos runs: the whole stack works while its processes are killed and AWS calls fail.

    make chaos                                    # five minutes
    make chaos ARGS="--seconds 60 --seed 7"
Every function of the stack, with a URL or behind a queue, draws faults at its AWS calls (`faults`). Clients
send messages, live messages, answers and events, retry them patiently (`clients`), and record what was
accepted. Then the faults end, and the records are compared with the stored state (`checks`).
"""
