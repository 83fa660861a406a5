"""Speech: a text, or an agent's answer while it is written, as a stream of audio."""
