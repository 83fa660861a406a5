"""The streaming runtime, against AWS's emulator and against a Runtime API that records every byte."""
