"""Speech as it is made: text cut into sentences, engines that speak them, encoders of what was spoken.

    text -> sentences -> engine (PCM, one sentence ahead of the listener) -> one encoder -> bytes

PCM is signed 16 bit, little endian, one channel, everywhere; its rate is the engine's `sample_rate`.
"""
