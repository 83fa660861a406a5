"""Chaos runs: the whole stack works while its processes are killed and AWS calls fail.

    make chaos                                    # five minutes
    make chaos ARGS="--seconds 60 --seed 7"

Every function of the stack, with a URL or behind a queue, draws faults at its calls of AWS (`faults`).
Clients send messages, live messages, answers and events as patient senders do (`clients`), and keep books of
what was accepted. Afterwards it is calm, and the books are held against what is there (`checks`).
"""
