"""Speech production: sentence splitting, engines that speak sentences, and encoders of the audio.

  text -> sentences -> engine (PCM, one sentence ahead of the listener) -> one encoder -> bytes

PCM is signed 16 bit, little endian, one channel, everywhere. Its rate is the engine's `sample_rate`.
"""
